"""What looks like a setting and is none is named; what is set counts as it is told."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from executor_svc.settings import ExecutorSettings
from tradepulse.cli.connections import database_url
from tradepulse.cli.errors import CliError
from tradepulse.runtime.settings import RuntimeSettings, effective
from tradepulse.runtime.variables import OURS, unread

SERVICES = ("executor_svc", "market_ingest", "optimizer_svc", "rl_svc", "signal_svc", "studio_svc")
MODULES = (
    *("executor_svc.settings", "market_ingest.settings", "optimizer_svc.app", "rl_svc.settings"),
    *("rl_svc.drift_days", "rl_svc.trainer", "signal_svc.settings", "studio_svc.app"),
    *("tradepulse.runtime.setup", "tradepulse.cli.up.first_jobs"),
)
ANYWHERE = """
ALL_PROXY AWS_REGION BASH_ENV BROWSER CI CLASSPATH COLORTERM COLUMNS COMPOSE_FILE CONDA_PREFIX
CONTAINER CUDA_VISIBLE_DEVICES DBUS_SESSION_BUS_ADDRESS DEBUG DESKTOP_SESSION DISPLAY DOCKER_HOST
EDITOR ENV EUID FTP_PROXY GITHUB_ACTIONS GITHUB_WORKSPACE GPG_AGENT_INFO HISTFILE HISTSIZE HOME
HOST HOSTNAME HTTP_PROXY HTTPS_PROXY http_proxy https_proxy INVOCATION_ID JAVA_HOME JOURNAL_STREAM
KAFKA_HEAP_OPTS KAFKA_HOME KAFKA_OPTS KUBERNETES_PORT KUBERNETES_SERVICE_HOST LANG LANGUAGE LC_ALL
LESS LINES LOGNAME LS_COLORS MAIL MAKEFLAGS MAKELEVEL MALLOC_ARENA_MAX MANPATH NO_COLOR NO_PROXY
NUMBA_NUM_THREADS OLDPWD OMP_NUM_THREADS OPENBLAS_NUM_THREADS OTEL_EXPORTER_OTLP_HEADERS
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT OTEL_SERVICE_NAME PAGER PATH PGDATA PGHOST PGPASSFILE
PGPASSWORD PGPORT PGUSER POLICYKIT POSTGRES_DB POSTGRES_PASSWORD POSTGRES_PORT
POSTGRES_PORT_5432_TCP PS1 PWD PYTEST_CURRENT_TEST PYTHONHASHSEED PYTHONPATH PYTHONUNBUFFERED
RANDOM RUNNER_TEMP SESSION_MANAGER SHELL SHLVL SSH_AUTH_SOCK SSH_CLIENT SSL_CERT_FILE STUDIO_PORT
STUDIO_SERVICE_HOST STUDIO_SERVICE_PORT SUDO_USER SYSTEMD_EXEC_PID TEMP TERM TERM_PROGRAM TMP
TMPDIR TMUX TZ UID USER VIRTUAL_ENV VISUAL WAYLAND_DISPLAY WINDOWID XAUTHORITY XDG_RUNTIME_DIR
XDG_SESSION_TYPE
"""


def below(base: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    for one in base.__subclasses__():
        yield one
        yield from below(one)


def test_the_names_are_those_of_all_settings() -> None:
    for module in MODULES:
        import_module(module)
    rooms = {*SERVICES, "tradepulse"}
    named = {
        name.upper()
        for one in below(BaseSettings)
        if one.__module__.partition(".")[0] in rooms
        for name in one.model_fields
    }
    # uvicorn's own, which the page's guide names
    assert named | {"FORWARDED_ALLOW_IPS"} == OURS


def test_what_every_machine_has_and_what_is_read_is_nothing_to_tell() -> None:
    assert unread([*ANYWHERE.split(), *OURS, *(name.lower() for name in OURS)]) == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("FEES", "FEE"),
        ("MAKERFEE", "MAKER_FEE"),
        ("MAX_OPEN_POSITION", "MAX_OPEN_POSITIONS"),
        ("slipage", "SLIPPAGE"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("KAFKA_BOOTSTRAP_SERVER", "KAFKA_BOOTSTRAP_SERVERS"),
        ("STRATEGY_FILE", "STRATEGY_FILES"),
        ("LOGLEVEL", "LOG_LEVEL"),
    ],
)
def test_a_slip_is_named_with_what_was_meant(written: str, meant: str) -> None:
    assert unread(["PATH", written]) == [
        f"{written} is no setting and nothing reads it; did you mean {meant}?"
    ]


def test_a_slip_in_an_address_is_told_where_the_address_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASEURL", "postgresql://me:secret@db/x")
    with pytest.raises(CliError) as refused:
        database_url(tmp_path)
    assert str(refused.value) == (
        f"DATABASE_URL is not set and no `tradepulse up` runs in {tmp_path}: set it, or start one; "
        "DATABASEURL is no setting and nothing reads it; did you mean DATABASE_URL?"
    )


def test_settings_are_told_as_they_count_without_their_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "word"
    secret.write_text("hush\n")
    given = {
        "DATABASE_URL": "postgresql://me:hush%21@db/x?sslmode=require&sslpassword=hush",
        "KAFKA_BOOTSTRAP_SERVERS": "k:9092",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_USERNAME": "me",
        "KAFKA_PASSWORD_FILE": str(secret),
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:hush@collector:4318",
        "FEE": "0.002",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    told: dict[str, Any] = effective(ExecutorSettings())
    assert told.keys() == {name.upper() for name in ExecutorSettings.model_fields}
    assert told["FEE"] == "0.002"
    assert told["MAX_OPEN_POSITIONS"] == 50
    assert told["DATABASE_URL"] == (
        "postgresql://me:**********@db/x?sslmode=require&sslpassword=**********"
    )
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://me:**********@collector:4318"
    assert "hush" not in str(told)
    # what a file gives is a part of the address by then
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@db/x")
    monkeypatch.setenv("DATABASE_PASSWORD_FILE", str(secret))
    assert "hush" not in str(effective(RuntimeSettings()))
