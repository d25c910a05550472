"""How the broker and the database are named, with passwords in files; what is refused, and how."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from tradepulse.cli.connections import database_url, kafka_address
from tradepulse.cli.errors import CliError
from tradepulse.cli.up.choice import OptionError
from tradepulse.cli.up.connections import Given, given_connections
from tradepulse.runtime.kafka import (
    KafkaSettings,
    bootstrap_servers,
    client_options,
    replication_factor,
)
from tradepulse.runtime.settings import DatabaseAddress, RuntimeSettings, load_settings
from tradepulse.runtime.topics import new_topics

WORD = "hunter @2:#/word"
BROKER = "kafka.example:9094"
HERE = Path(__file__)
Set = Callable[..., None]


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Set variables of the broker and the database, and no others of theirs."""
    for name in (*KafkaSettings.model_fields, *DatabaseAddress.model_fields):
        monkeypatch.delenv(name.upper(), raising=False)

    def set_them(**given: object) -> None:
        for name, value in given.items():
            monkeypatch.setenv(name, str(value))

    return set_them


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(WORD + "\n")
    file.chmod(0o644)
    return file


def scram(password: Path) -> dict[str, object]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": BROKER,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_USERNAME": "executor_svc",
        "KAFKA_PASSWORD_FILE": password,
    }


def test_an_address_alone_asks_for_nothing(environ: Set) -> None:
    environ(KAFKA_BOOTSTRAP_SERVERS=BROKER)
    assert KafkaSettings().client_options() == {
        "bootstrap_servers": BROKER,
        "security_protocol": "PLAINTEXT",
    }
    assert client_options(BROKER) == {"bootstrap_servers": BROKER}
    assert replication_factor(BROKER) == 1


def test_a_login_over_tls(environ: Set, password: Path) -> None:
    environ(**scram(password))
    options = KafkaSettings().client_options()
    context = options.pop("ssl_context")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert options == {
        "bootstrap_servers": BROKER,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "executor_svc",
        "sasl_plain_password": WORD,
    }


def test_the_password_is_in_no_text(environ: Set, password: Path) -> None:
    environ(DATABASE_URL="postgresql://u@h/d", **scram(password), DATABASE_PASSWORD_FILE=password)
    settings = RuntimeSettings()
    for text in (repr(settings), str(settings), str(settings.model_dump(exclude={"database_url"}))):
        assert "hunter" not in text
    assert "hunter" not in repr(given_connections().or_own("k:1", "postgresql://u"))
    assert "hunter" in settings.database_url


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"KAFKA_USERNAME": ""},
            "KAFKA_SECURITY_PROTOCOL is SASL_SSL, which needs KAFKA_USERNAME and KAFKA_PASSWORD",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL"},
            "KAFKA_USERNAME and KAFKA_PASSWORD_FILE need KAFKA_SECURITY_PROTOCOL=SASL_SSL; it is S",
        ),
        ({"KAFKA_PASSWORD_FILE": "/nowhere"}, "KAFKA_PASSWORD_FILE: /nowhere cannot be read"),
        ({"KAFKA_CA_FILE": "/nowhere"}, "KAFKA_CA_FILE: /nowhere cannot be read"),
        ({"KAFKA_CA_FILE": HERE}, f"KAFKA_CA_FILE: {HERE} holds no certificates in PEM"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "KAFKA_SECURITY_PROTOCOL: Input should be 'PLAIN"),
        ({"KAFKA_SASL_MECHANISM": "GSSAPI"}, "KAFKA_SASL_MECHANISM: Input should be 'PLAIN', "),
        ({"KAFKA_REPLICATION_FACTOR": 0}, "KAFKA_REPLICATION_FACTOR: Input should be greater"),
        (
            {"DATABASE_URL": "postgresql://u:p@h/d", "DATABASE_PASSWORD_FILE": HERE},
            f"DATABASE_PASSWORD_FILE: {HERE} must hold one line, the password",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line(
    given: dict[str, object],
    said: str,
    environ: Set,
    password: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environ(**{"DATABASE_URL": "postgresql://u@h/d", **scram(password), **given})
    with pytest.raises(SystemExit) as ended:
        load_settings(RuntimeSettings)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"configuration refused: {said}")
    assert "hunter" not in line


def test_a_file_of_certificates_needs_tls(environ: Set) -> None:
    where = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    environ(KAFKA_BOOTSTRAP_SERVERS=BROKER, KAFKA_CA_FILE=where)
    with pytest.raises(ValidationError, match="KAFKA_CA_FILE needs KAFKA_SECURITY_PROTOCOL=SSL"):
        KafkaSettings()


@pytest.mark.parametrize("content", ["", "\n", "two\nlines\n"])
def test_a_password_is_one_line(content: str, environ: Set, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(content)
    environ(**scram(file))
    with pytest.raises(ValidationError, match="must hold one line, the password") as refused:
        KafkaSettings()
    assert "two" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("postgresql://u@h/d", "postgresql://u@h/d?password=hunter%20%402%3A%23%2Fword"),
        (
            "postgresql://u@h:5/d?sslmode=verify-full",
            "postgresql://u@h:5/d?sslmode=verify-full&password=hunter%20%402%3A%23%2Fword",
        ),
    ],
)
def test_the_password_of_the_database_comes_from_its_file(
    url: str, whole: str, environ: Set, password: Path, tmp_path: Path
) -> None:
    environ(DATABASE_URL=url, DATABASE_PASSWORD_FILE=password)
    assert DatabaseAddress().database_url == whole
    assert database_url(tmp_path) == whole
    assert given_connections() == Given(None, whole)


@pytest.mark.parametrize("url", ["postgresql://u:p@h/d", "postgresql://u@h/d?password=p"])
def test_one_password_is_enough(url: str, environ: Set, password: Path, tmp_path: Path) -> None:
    environ(DATABASE_URL=url, DATABASE_PASSWORD_FILE=password)
    with pytest.raises(CliError, match=r"^DATABASE_URL: it has a password, and DATABASE_PASSWORD"):
        database_url(tmp_path)
    with pytest.raises(OptionError, match=r"leave one out; correct it in the environment"):
        given_connections()


def test_a_command_speaks_to_the_broker_of_the_environment(
    environ: Set, password: Path, tmp_path: Path
) -> None:
    environ(**scram(password))
    kafka = kafka_address(tmp_path)
    assert bootstrap_servers(kafka) == BROKER
    assert client_options(kafka)["sasl_plain_password"] == WORD
    environ(KAFKA_USERNAME="")
    with pytest.raises(CliError, match=r"^KAFKA_SECURITY_PROTOCOL is SASL_SSL, which needs"):
        kafka_address(tmp_path)


def test_what_comes_along_is_not_told_the_passwords_of_others(environ: Set, password: Path) -> None:
    environ(**{**scram(password), "KAFKA_BOOTSTRAP_SERVERS": ""}, DATABASE_PASSWORD_FILE=password)
    made = given_connections().or_own("127.0.0.1:1", "postgresql://postgres@/tradepulse")
    assert made.kafka == "127.0.0.1:1"
    assert {name: value for name, value in made.environment.items() if value} == {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "DATABASE_URL": "postgresql://postgres@/tradepulse",
    }
    assert {"KAFKA_SECURITY_PROTOCOL", "KAFKA_PASSWORD_FILE", "DATABASE_PASSWORD_FILE"} < set(
        made.environment
    )


def test_what_is_given_is_inherited(environ: Set, password: Path) -> None:
    environ(DATABASE_URL="postgresql://u@h/d", **scram(password), DATABASE_PASSWORD_FILE=password)
    made = given_connections().or_own("127.0.0.1:1", "postgresql://postgres@/tradepulse")
    assert made.environment == {}
    assert made.kafka == KafkaSettings()
    assert made.database == "postgresql://u@h/d?password=hunter%20%402%3A%23%2Fword"


@pytest.mark.parametrize(("replicas", "in_sync"), [(1, None), (2, "1"), (3, "2")])
def test_topics_are_kept_on_as_many_brokers_as_asked(
    replicas: int, in_sync: str | None, environ: Set
) -> None:
    environ(KAFKA_BOOTSTRAP_SERVERS=BROKER, KAFKA_REPLICATION_FACTOR=replicas)
    made = new_topics(replication_factor(KafkaSettings()))
    assert len(made) == 12
    for one in made:
        assert one.replication_factor == replicas
        assert one.topic_configs.get("min.insync.replicas") == in_sync
