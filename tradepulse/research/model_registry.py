"""The registry of trained policies: their rows, their files as bytes, the history of each.

PostgreSQL is the one truth: the trainer adds, rl_svc follows, a backtest or a replay names one.
What moves a model from one stage to the next is told in `model_lifecycle.py`.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import asyncpg

from tradepulse.research.model_files import PREFIX
from tradepulse.research.plain_json import plain_json
from tradepulse.runtime.db import Connection
from tradepulse.runtime.refusals import NotFoundError, RefusedError, refused_as
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model import Model, ModelError
from tradepulse.trading.policies.model_bytes import model_of

ModelStage = Literal["CANDIDATE", "REFUSED", "SHADOW", "ACTIVE", "RETIRED"]
CHANNEL: Final = "tradepulse_active_model"
"""Where a portfolio is named whenever a model of it comes to another stage."""
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f-]{0,27})?")
"""A whole id, or how one begins."""


@dataclass(frozen=True, slots=True)
class NewModel:
    """What is kept of a trained policy.

    Attributes:
        artifact: the bytes of the model's file.
        portfolio: that it was made for.
        name: for people.
        passed: whether every gate was passed; None where none was asked.
        gates: what each gate said, in the form of a validation's report.
        job_id: of its training.
        config: what the training was asked for; the same on the same data is kept once.
        configurations: whose trades it was trained on.
        data: of each split; `sha256` of all of it.
        seeds: of the training.
        steps: of the training, each seed.
        metrics: figures of each split.
        baselines: the same of what it was compared with.
        report: all that the evaluation found.
    """

    artifact: bytes
    portfolio: str
    name: str
    passed: bool | None = None
    gates: Sequence[Mapping[str, Any]] = ()
    job_id: UUID | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    configurations: Sequence[Mapping[str, Any]] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    seeds: Sequence[int] = ()
    steps: int = 0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    baselines: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One row of `rl_models`, without the file.

    Attributes:
        overrides: what a person set aside to bring it where it is, each with the reason.
    """

    model_id: UUID
    portfolio: str
    job_id: UUID | None
    created_at: datetime
    name: str
    stage: ModelStage
    stage_since: datetime
    overrides: list[str]
    timeframe: str
    instruments: list[str]
    mode: Literal["signals", "rebalance"]
    config: dict[str, Any]
    configurations: list[dict[str, Any]]
    data: dict[str, Any]
    seeds: list[int]
    steps: int
    metrics: dict[str, Any]
    baselines: dict[str, Any]
    gates: list[dict[str, Any]]
    report: dict[str, Any]
    passed: bool | None
    artifact_sha256: str
    manifest: dict[str, Any]

    @property
    def verdict(self) -> str:
        """What the gates said, in a few words."""
        if self.passed is None:
            return "not evaluated: no gate was asked"
        if self.passed:
            return f"passed all {len(self.gates)} gates"
        refused = [gate for gate in self.gates if not gate.get("passed")]
        titles = "; ".join(str(gate.get("title", gate.get("name", "?"))) for gate in refused)
        return f"refused by {len(refused)} of {len(self.gates)} gates: {titles}"


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """One row of `rl_model_events`."""

    at: datetime
    from_stage: ModelStage | None
    to_stage: ModelStage
    reason: str
    by_person: bool
    evidence: dict[str, Any]


_COLUMNS = (
    "model_id, portfolio, job_id, created_at, name, stage, stage_since, overrides, timeframe, "
    "instruments, mode, config, configurations, data, seeds, steps, metrics, baselines, gates, "
    "report, passed, artifact_sha256, manifest"
)
_FOUND = "select true from rl_models where model_id = $1"
_BY_ID = f"select {_COLUMNS} from rl_models where model_id = $1"  # noqa: S608 - a constant
At: TypeAlias = "asyncpg.Pool[asyncpg.Record] | Connection"


async def add_model(
    connection: Connection, new: NewModel, reason: str = "", *, by_person: bool = False
) -> StoredModel:
    """Store a model inside the caller's transaction: CANDIDATE where it passed, else REFUSED.

    Raises:
        RefusedError: its file cannot be used, it is there already, or it is said to have passed
            although no gate says so.
    """
    if new.passed and not (new.gates and all(gate.get("passed") for gate in new.gates)):
        raise RefusedError(
            "wrong_verdict",
            f"model {new.name} is said to have passed, but not by every one of its "
            f"{len(new.gates)} gates: nothing was stored",
        )
    with refused_as("unusable_model"):
        model = model_of(new.artifact)
    manifest = model.manifest
    stored = await connection.fetchrow(
        "insert into rl_models (model_id, portfolio, job_id, name, stage, timeframe, instruments, "  # noqa: S608 - a constant
        "mode, config, config_sha256, configurations, data, seeds, steps, metrics, baselines, "
        "gates, report, passed, artifact, artifact_sha256, manifest) values ($1, $2, $3, $4, $5, "
        "$6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22) "
        f"on conflict do nothing returning {_COLUMNS}",
        *(model.model_id, new.portfolio, new.job_id, new.name),
        "CANDIDATE" if new.passed else "REFUSED",
        *(manifest.timeframe, list(manifest.instruments), manifest.mode),
        *(plain_json(new.config), config_sha256(new.config), plain_json(list(new.configurations))),
        *(plain_json(new.data), list(new.seeds), new.steps, plain_json(new.metrics)),
        *(plain_json(new.baselines), plain_json(list(new.gates)), plain_json(new.report)),
        *(new.passed, new.artifact, sha256(new.artifact), json.loads(manifest.as_json())),
    )
    if stored is None:
        raise await _there(connection, model)
    row = StoredModel(**dict(stored))
    why = f"{reason}: {row.verdict}" if reason else row.verdict
    await record(connection, row, None, why, by_person=by_person)
    return row


async def _there(connection: Connection, model: Model) -> RefusedError:
    if await connection.fetchval(_FOUND, model.model_id):
        return RefusedError(
            "same_model", f"model {model.model_id} is in the registry already: nothing was stored"
        )
    return RefusedError(
        "same_training",
        "a model of the same training on the same data is in the registry already: train with "
        "another range, other seeds or other settings",
    )


async def import_model(
    pool: "asyncpg.Pool[asyncpg.Record]", artifact: bytes, portfolio: str, name: str, source: str
) -> StoredModel:
    """Store a model's file that a person brings; no gate has judged it, so it is REFUSED.

    Raises:
        RefusedError: it cannot be used, or it is there already.
    """
    async with pool.acquire() as connection, connection.transaction():
        new = NewModel(artifact, portfolio, name)
        return await add_model(connection, new, f"imported from {source}", by_person=True)


async def list_models(
    at: At, portfolio: str | None = None, limit: int | None = None
) -> list[StoredModel]:
    """Return the models of a portfolio, or of all: the active one first, then the newest."""
    rows = await at.fetch(
        f"select {_COLUMNS} from rl_models where $1::text is null or portfolio = $1 "  # noqa: S608 - a constant
        "order by stage = 'ACTIVE' desc, stage = 'SHADOW' desc, created_at desc, model_id limit $2",
        portfolio,
        limit,
    )
    return [StoredModel(**dict(row)) for row in rows]


async def model_row(at: At, model_id: UUID, *, lock: bool = False) -> StoredModel:
    """Return one model's row, locked where it will be changed.

    Raises:
        NotFoundError: there is none of this id.
    """
    row = await at.fetchrow(f"{_BY_ID} for update" if lock else _BY_ID, model_id)
    if row is None:
        raise no_model(model_id)
    return StoredModel(**dict(row))


async def model_beginning(at: At, start: str) -> UUID:
    """Return the id of the one model whose id begins so.

    Raises:
        NotFoundError: there is none.
        RefusedError: there are several.
    """
    ids = await at.fetch(
        "select model_id from rl_models where starts_with(model_id::text, $1) limit 2",
        start.lower(),
    )
    if not ids or not start:
        raise NotFoundError(
            f"no model of an id that begins with {start!r}; see `tradepulse policy list`"
        )
    if len(ids) > 1:
        raise RefusedError(
            "several_models", f"several models' ids begin with {start!r}: give more of it"
        )
    found: UUID = ids[0]["model_id"]
    return found


async def model_events(at: At, model_id: UUID) -> list[ModelEvent]:
    """Return the history of a model, oldest first."""
    rows = await at.fetch(
        "select at, from_stage, to_stage, reason, by_person, evidence from rl_model_events "
        "where model_id = $1 order by id",
        model_id,
    )
    return [ModelEvent(**dict(row)) for row in rows]


async def stored_model(at: At, model_id: UUID) -> Model:
    """Return a model as it was stored, its checksums and its shapes checked.

    Raises:
        NotFoundError: there is none of this id.
        RefusedError: what is stored is not what was.
    """
    row = await at.fetchrow(
        "select artifact, artifact_sha256 from rl_models where model_id = $1", model_id
    )
    if row is None:
        raise no_model(model_id)
    artifact: bytes = row["artifact"]
    if sha256(artifact) != row["artifact_sha256"]:
        raise _damaged(model_id, "its checksum is not the one that was stored with it")
    try:
        model = model_of(artifact)
    except ModelError as error:
        raise _damaged(model_id, str(error)) from error
    # whoever changes a model can also write another checksum beside it
    if model.model_id != model_id:
        raise _damaged(model_id, f"its file is that of model {model.model_id}")
    return model


async def registered_policy(at: At, name: str, budget: float = 1.0) -> LearnedPolicy:
    """Return the policy of a name like `model:ID`, whatever the model's stage.

    Raises:
        RefusedError: there is no such model, or it cannot be used.
    """
    model_id = await model_beginning(at, name.removeprefix(PREFIX))
    return LearnedPolicy(await stored_model(at, model_id), budget)


def names_registered(name: str) -> bool:
    """Tell whether the name of a policy is `model:ID`; else it is a file's, as `model:./abcdef12`.

    An id begins with eight hexadecimal digits.
    """
    return bool(_ID.fullmatch(name.removeprefix(PREFIX).lower()))


async def record(
    connection: Connection,
    row: StoredModel,
    from_stage: ModelStage | None,
    reason: str,
    *,
    by_person: bool,
    evidence: Mapping[str, Any] | None = None,
) -> None:
    """Write a line of a model's history, inside the transaction of the change."""
    await connection.execute(
        "insert into rl_model_events (model_id, from_stage, to_stage, reason, by_person, evidence) "
        "values ($1, $2, $3, $4, $5, $6)",
        *(row.model_id, from_stage, row.stage, reason, by_person, dict(evidence or {})),
    )


def no_model(model_id: UUID) -> NotFoundError:
    """Return the refusal of an id that no model has."""
    return NotFoundError(f"there is no model {model_id}; see `tradepulse policy list`")


def sha256(data: bytes) -> str:
    """Return the checksum of bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def config_sha256(config: Mapping[str, Any]) -> str | None:
    """Return the checksum of what was asked for; None where nothing is known of it."""
    return sha256(json.dumps(plain_json(config), sort_keys=True).encode()) if config else None


def _damaged(model_id: UUID, why: str) -> RefusedError:
    return RefusedError(
        "damaged_model",
        f"model {model_id} was changed or damaged in the database: {why}; retire it and import its "
        "file anew, or train it anew",
    )
