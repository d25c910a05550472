"""Which trainers are there, whether they have work or not."""

from dataclasses import dataclass

from tradepulse.research.model_registry import At

SEEN_S = 30.0
"""A trainer that was not seen for so long is not there."""
LEAST_FREE = 1_000_000_000
"""Bytes that the folder of the checkpoints must have left."""
NO_TRAINER = (
    "no trainer is running: start it with `tradepulse up` after `make rl`, or "
    "`python -m rl_svc.trainer`"
)


@dataclass(frozen=True, slots=True)
class Trainer:
    """One that is there.

    Attributes:
        at_once: seeds side by side.
        free_bytes: that its folder of checkpoints has left.
    """

    at_once: int
    free_bytes: int


async def seen(at: At, worker: str, trainer: Trainer) -> None:
    """Say that a trainer is there; forget those that were not seen for a day."""
    await at.execute(
        "insert into rl_trainers (worker, at_once, free_bytes) values ($1, $2, $3) "
        "on conflict (worker) do update set seen_at = now(), at_once = excluded.at_once, "
        "free_bytes = excluded.free_bytes",
        worker,
        trainer.at_once,
        trainer.free_bytes,
    )
    await at.execute("delete from rl_trainers where seen_at < now() - interval '1 day'")


async def gone(at: At, worker: str) -> None:
    """Say that a trainer ends."""
    await at.execute("delete from rl_trainers where worker = $1", worker)


async def trainer_seen(at: At) -> Trainer | None:
    """Return the trainer that was seen last; None where none is there."""
    row = await at.fetchrow(
        "select at_once, free_bytes from rl_trainers "
        "where seen_at > now() - make_interval(secs => $1) order by seen_at desc limit 1",
        SEEN_S,
    )
    return None if row is None else Trainer(**dict(row))


def disk_refusal(free_bytes: int, folder: str = "the folder of the trainer's checkpoints") -> str:
    """Return why a disk is too full to train on; empty where it is not."""
    if free_bytes >= LEAST_FREE:
        return ""
    return (
        f"{folder} has {free_bytes / 1e9:.1f} GB left, and a training needs "
        f"{LEAST_FREE / 1e9:g} GB: free some space, or set TRAINER_FOLDER to another disk"
    )
