"""An address with a password that is not escaped is refused, and nothing repeats it."""

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradepulse.cli.connections import database_url
from tradepulse.cli.errors import CliError
from tradepulse.runtime.database_url import is_readable
from tradepulse.runtime.db import DatabaseUnavailableError, connect, connect_pool
from tradepulse.runtime.settings import RuntimeSettings, load_settings

SECRETS = ["hunter#2word", "hunter/2word", "hunter?2word", "hunter[2word", "7/hunter@", "12#hunter"]


def written(password: str) -> str:
    return f"postgresql://user:{password}@127.0.0.1:1/trading"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1))
@example("#")
@example("12/3")
def test_an_escaped_password_may_be_anything(password: str) -> None:
    assert is_readable(written(quote(password, safe="")))


@given(st.text(st.sampled_from("ab12"), max_size=4), st.sampled_from("#/?"))
def test_a_password_that_ends_the_address_is_refused(before: str, sign: str) -> None:
    assert not is_readable(written(f"{before}{sign}rest"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres@/tradepulse?host=/run/pg%20sql&port=5432",
        "postgres://user:p%40ss@[::1]:5432/db?sslmode=require",  # pragma: allowlist secret
        "postgresql://a:b@one:5432,two:5433/db",
        "postgresql://unused",
        "postgresql://user:p@ss@host/db",
    ],
)
def test_addresses_of_every_form_are_taken(url: str) -> None:
    assert is_readable(url)


@pytest.mark.parametrize("secret", SECRETS)
async def test_no_part_of_the_password_is_said(
    secret: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = written(secret)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    with pytest.raises(SystemExit) as ended:
        load_settings(RuntimeSettings)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    with pytest.raises(CliError) as refused:
        database_url(None)  # type: ignore[arg-type]  # the environment has one
    said = [line, str(refused.value)]
    for way in (connect, connect_pool):
        with pytest.raises(DatabaseUnavailableError) as unavailable:
            await way(url)
        said.append(str(unavailable.value))
        # what is printed with a traceback is the chain
        assert unavailable.value.__suppress_context__
    assert "DATABASE_URL: it cannot be read as an address" in line
    for text in said:
        assert "hunter" not in text
        assert "2word" not in text
