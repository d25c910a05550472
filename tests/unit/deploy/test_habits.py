"""What runs elsewhere than here is at least sound: workflows, hooks, forms, what is shipped."""

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.command import invoke
from tradepulse import __version__

ROOT = Path(__file__).parents[3]
GITHUB = ROOT / ".github"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in GITHUB.glob("workflows/*.yml")}
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TARGETS = set(re.findall(r"^([a-z][\w-]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
FORMS = {
    path.stem: yaml.safe_load(path.read_text()) for path in GITHUB.glob("ISSUE_TEMPLATE/*.yml")
}


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in WORKFLOWS[name]["jobs"].values() for step in job["steps"]]


def test_every_workflow_is_there_under_its_name() -> None:
    assert {"check", "test", "images", "docs", "security", "release"} <= WORKFLOWS.keys()
    for name, workflow in WORKFLOWS.items():
        assert workflow["name"] == name


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_a_workflow_only_calls_targets_that_there_are(name: str) -> None:
    run = [step["run"] for step in steps(name) if "run" in step]
    assert run
    for line in run:
        found = re.fullmatch(r"(?:sudo )?make ([a-z-]+)", line)
        assert found, line
        assert found[1] in TARGETS, line


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_a_workflow_may_do_little_and_ends(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    for job in WORKFLOWS[name]["jobs"].values():
        assert job["permissions"]["contents"] == "read"
        assert 0 < job["timeout-minutes"] <= 120


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_an_action_is_the_code_that_was_looked_at(name: str) -> None:
    lines = (GITHUB / "workflows" / f"{name}.yml").read_text().splitlines()
    used = [line for line in lines if "uses:" in line]
    assert used
    for line in used:
        assert re.fullmatch(r"\s*- uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    # nobody needs the token after the checkout
    for step in steps(name):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_the_oldest_python_and_the_embedded_postgresql_are_tested() -> None:
    matrix = WORKFLOWS["test"]["jobs"]["test"]["strategy"]["matrix"]
    assert PROJECT["project"]["requires-python"] == f">={matrix['python'][0]}"
    assert len(matrix["python"]) == 3
    assert "18" in matrix["postgres"]


def test_a_hook_is_a_program_of_the_projects_own_environment() -> None:
    hooks = [hook for repo in HOOKS["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in HOOKS["repos"]} == {"local"}
    assert {"ruff", "ruff-format", "mypy", "detect-secrets"} <= {hook["id"] for hook in hooks}
    for hook in hooks:
        assert hook["language"] == "system"
        folder, _, program = hook["entry"].split()[0].rpartition("/")
        assert folder == ".venv/bin"
        assert (Path(sys.executable).parent / program).exists(), program


def test_a_report_asks_for_what_the_command_gives() -> None:
    assert set(FORMS) == {"bug", "idea", "config"}
    for name in ("bug", "idea"):
        fields = [field for field in FORMS[name]["body"] if field["type"] != "markdown"]
        assert all(field["type"] == "textarea" and field["attributes"]["label"] for field in fields)
        assert len({field["id"] for field in fields}) == len(fields)
    asked = {field.get("id"): field for field in FORMS["bug"]["body"]}
    assert asked["doctor"]["attributes"]["label"] == "tradepulse doctor --json"
    assert "--json" in invoke("doctor", "--help")[0]
    assert "ID" in invoke("trace", "--help")[0]


def test_the_container_for_developers_makes_what_there_is() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["updateContentCommand"].removeprefix("make ") in TARGETS


def test_every_shipped_package_says_that_it_is_typed() -> None:
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert len(packages) == 8
    for package in packages:
        assert (ROOT / package / "py.typed").read_bytes() == b""


def test_there_is_one_version() -> None:
    assert PROJECT["project"]["version"] == __version__
