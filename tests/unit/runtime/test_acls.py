"""Each service may do on the broker what it declares that it does; the guide says who may what."""

import re
from pathlib import Path

import pytest

from contracts.topics import DLQ_SUFFIX, TOPICS
from tradepulse.cli.asyncapi import SERVICES, document
from tradepulse.runtime.acls import MONITOR, Acl, acls
from tradepulse.runtime.dead_letter_replay import REPLAY_GROUP

GRANTS = Path(__file__).parents[3] / "tradepulse" / "migrations" / "grants.sql"
PAGE = Path(__file__).parents[3] / "docs" / "guides" / "operations" / "security.md"
WRITES_OUTSIDE_OF_ITS_DOCUMENT = {
    # what it publishes and is too large for a record
    (topic.writer, topic.dead_letters)
    for topic in TOPICS
}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_may_do_what_it_declares(service: str) -> None:
    drawn = document(service)["operations"]
    # of what is written, too, the document tells apart that it is read
    reads = {
        name.removesuffix(".read") for name, one in drawn.items() if one["action"] == "receive"
    }
    writes = {name for name, one in drawn.items() if one["action"] == "send"}
    writes |= {name for who, name in WRITES_OUTSIDE_OF_ITS_DOCUMENT if who == service}
    wanted = {Acl(service, "read", "topic", name) for name in reads}
    wanted |= {Acl(service, "write", "topic", name) for name in writes}
    if reads:
        wanted.add(Acl(service, "read", "group", service))
    if service == "studio_svc":
        wanted |= {Acl(service, "describe", "topic", topic.dead_letters) for topic in TOPICS}
        wanted.add(Acl(service, "describe", "group", REPLAY_GROUP))
    assert {one for one in acls() if one.user == service} == wanted


def test_only_services_have_rights_and_the_monitor_only_looks() -> None:
    assert {one.user for one in acls()} == {*SERVICES, MONITOR}
    assert {one.operation for one in acls() if one.user == MONITOR} == {"describe"}
    assert f"`{MONITOR}`" in PAGE.read_text()


def test_a_topic_has_one_writer() -> None:
    for topic in TOPICS:
        writers = {a.user for a in acls() if (a.operation, a.name) == ("write", topic.name)}
        assert writers == {topic.writer}


def test_the_page_names_every_right() -> None:
    rows = {
        user: (re.findall(r"`([\w.]+)`", reads), re.findall(r"`([\w.]+)`", writes), group)
        for user, reads, writes, group in re.findall(
            r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \| (yes|no) \|$", PAGE.read_text(), re.MULTILINE
        )
    }
    for service in SERVICES:
        of = [one for one in acls() if one.user == service and one.kind == "topic"]
        reads = [one.name.removeprefix("tradepulse.") for one in of if one.operation == "read"]
        writes = [one.name.removeprefix("tradepulse.") for one in of if one.operation == "write"]
        assert rows[service] == (reads, writes, "yes" if reads else "no")
    assert any(name.endswith(DLQ_SUFFIX) for _, writes, _ in rows.values() for name in writes)


def test_the_page_names_what_every_role_may_write() -> None:
    granted: dict[str, set[str]] = {}
    grants = r"^grant (?:insert|update)[^;]*? on ([^;]+?)\s+to ([^;]+);"
    for tables, roles in re.findall(grants, GRANTS.read_text(), re.MULTILINE):
        for role in re.findall(r"\w+", roles):
            granted.setdefault(role, set()).update(re.findall(r"\w+", tables))
    rows = re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \|$", PAGE.read_text(), re.MULTILINE)
    assert {role: set(re.findall(r"\w+", tables)) for role, tables in rows} == granted
