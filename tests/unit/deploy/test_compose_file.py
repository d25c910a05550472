"""docker-compose.yml and the chart say what the code says; secrets are made as they need them."""

import re
import shutil
import stat
import subprocess
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from tradepulse.cli.up.choice import Choice
from tradepulse.cli.up.replay import replay_of
from tradepulse.cli.up.services import EARLY, INGEST
from tradepulse.library.demo import demo_candles
from tradepulse.runtime.settings import RuntimeSettings

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if "IMAGES" in one["image"]}
CHART = ROOT / "deploy" / "helm" / "tradepulse"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
NO_SETTINGS = {"LOG_LEVEL", "CLOCK"}


def default(text: str) -> str:
    """Return what `${NAME:-default}` is where nothing is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(text))


def test_every_service_is_there() -> None:
    assert {*EARLY, INGEST} <= OURS.keys()
    assert VALUES["services"].keys() == {*EARLY, INGEST}


@pytest.mark.parametrize("name", OURS)
def test_a_service_has_no_rights_and_bounds(name: str) -> None:
    one = OURS[name]
    assert one["read_only"]
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["logging"]["options"].keys() == {"max-size", "max-file"}
    assert one["mem_limit"]
    assert one["pids_limit"]
    assert not any("password" in key.lower() and "FILE" not in key for key in one["environment"])


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_published_is_for_this_host_only(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert name == "caddy" or port.startswith("127.0.0.1:")
    assert SERVICES[name]["mem_limit"]
    assert SERVICES[name]["logging"]


@pytest.mark.parametrize("name", [name for name, one in OURS.items() if "build" in one])
def test_an_image_is_built_of_what_is_there(name: str) -> None:
    arguments = OURS[name]["build"]["args"]
    assert find_spec(arguments["MODULE"]) is not None
    assert arguments.get("EXTRA", "executor") in EXTRAS
    assert EXTRAS["executor"] == EXTRAS["rl"] == []


def test_variables_are_settings() -> None:
    for names in (OURS["signal_svc"]["environment"], *_chart_variables()):
        known = {name.upper() for name in RuntimeSettings.model_fields} | NO_SETTINGS
        assert set(names) - known == set()


def _chart_variables() -> list[list[str]]:
    parts = (CHART / "templates" / "_parts.tpl").read_text()
    return [re.findall(r"- name: ([A-Z_]+)", parts), list(VALUES["env"])]


def test_the_replay_is_that_of_the_demo() -> None:
    environment, theirs = (OURS[name]["environment"] for name in ("market_ingest", "first_jobs"))
    assert {name for name in environment if environment[name] != theirs.get(name)} == {
        *("DATABASE_URL", "KAFKA_USERNAME")
    }
    replay = replay_of(Choice())
    assert default(environment["REPLAY_FROM"]) == str(replay.start)
    file = Path(default(environment["REPLAY_FILE"]))
    assert file.relative_to("/app") == demo_candles().relative_to(ROOT)
    assert demo_candles() == replay.file


@pytest.mark.parametrize("name", [*EARLY, INGEST, "market_ingest_live"])
def test_a_service_has_logins_of_its_own(name: str) -> None:
    service = name.removesuffix("_live")
    environment, secrets = OURS[name]["environment"], OURS[name]["secrets"]
    assert environment["DATABASE_URL"].startswith(f"postgresql://{service}@")
    assert environment["KAFKA_USERNAME"] == service
    assert [one for one in secrets if isinstance(one, dict)] == [
        {"source": f"{store}_{service}", "target": f"{store}_password"}
        for store in ("database", "kafka")
    ]


def test_the_stores_know_every_login() -> None:
    """A role or a user that is missing in one of the places could not log in."""
    made = (ROOT / "deploy" / "postgres" / "roles.sql").read_text()
    roles = re.findall(r"'(\w+)'", made[: made.index("] loop")])
    assert {f"database_{role}" for role in (*roles, "password")} == set(
        SERVICES["postgres"]["secrets"]
    )
    read = re.findall(
        r"{dir:/run/secrets/:(\w+)}", (ROOT / "deploy" / "kafka" / "server.properties").read_text()
    )
    assert set(read) == set(SERVICES["kafka"]["secrets"])
    used = {
        one["source"] if isinstance(one, dict) else one
        for service in SERVICES.values()
        for one in service.get("secrets", [])
    }
    assert used == COMPOSE["secrets"].keys()


def test_prometheus_looks_for_services_by_their_names() -> None:
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    names = {
        name
        for job in scraped["scrape_configs"]
        for found in job.get("dns_sd_configs", [])
        for name in found["names"]
    }
    assert names == {*EARLY, INGEST, "trainer", *(n for n in SERVICES if n.endswith("-exporter"))}
    assert OURS["market_ingest_live"]["networks"]["inside"]["aliases"] == [INGEST]


def test_secrets_are_made_once_and_read_by_containers(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    script = shutil.copy2(ROOT / "deploy" / "init-secrets.sh", tmp_path / "deploy")

    def run(*arguments: str, status: int = 0) -> str:
        done = subprocess.run([script, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    said = run()
    wanted = {Path(one["file"]).name for one in COMPOSE["secrets"].values()}
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert made.keys() == wanted
    words = [
        made[name] for name in wanted if not name.endswith(("_url", "_certificates", "_arguments"))
    ]
    assert all(re.fullmatch(r"[\w-]{32}", word) for word in words)
    assert len(set(words)) == len(words)
    assert made["studio_token"] in said
    assert made["kafka_exporter"] in made["kafka_exporter_arguments"]
    # whoever is on this host is kept out by the folder, not by the files
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "secrets").iterdir()} == {
        0o644
    }
    assert (tmp_path / ".env").read_text() == "COMPOSE_PROFILES=stores,replay\nCLOCK=replay\n"
    run("replay")
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made
    assert "not CLOCK=wall" in run("live", status=1)
    assert "neither replay nor live" in run("both", status=2)


def test_all_code_is_in_the_images() -> None:
    packages = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["packages"])
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    assert set(re.findall(r"(?m)^COPY (\w+) \1$", dockerfile)) == packages
    let_in = set(re.findall(r"(?m)^!(\S+)$", (ROOT / ".dockerignore").read_text()))
    assert let_in == packages | {"pyproject.toml", "constraints.txt"}
