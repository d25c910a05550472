"""What a training of a policy may be asked for."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from tradepulse.research.jobs import OpenTime, Word, whole
from tradepulse.runtime.refusals import RefusedError
from tradepulse.trading import defaults

MOST_CONFIGURATIONS, MOST_SEEDS, MOST_STEPS = 1_000, 32, 10_000_000
MOST_COLLECTED = 1 << 20
"""Steps between two updates, of all accounts of a seed: they are held in memory."""
MOST_MINUTES = 7 * 24 * 60
Fraction = Annotated[float, Field(ge=0, le=1)]
Ids = Annotated[
    tuple[Annotated[UUID, Field(strict=False)], ...],
    Field(min_length=1, max_length=MOST_CONFIGURATIONS, strict=False),
]
Line = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$"
    ),
]
"""What a person writes, in one line and not blank."""


Units = Annotated[int, Field(ge=1, le=256), BeforeValidator(whole)]


class PpoSpec(BaseModel):
    """How each seed is trained; every field has the default that was found to do.

    Attributes:
        accounts: at once.
        rollout: steps of each account between updates.
        batch_size: of a step of the optimizer.
        epochs: passes over what was collected.
        learning_rate: first and last; it falls in a straight line.
        clip_range: of the likelihood ratio.
        gae_lambda: of the advantages.
        ent_coef: of the entropy.
        target_kl: an update ends where the policy moved further; None for never.
        widths: of the hidden layers.
        every: updates between evaluations and checkpoints.
        patience: evaluations without gain that end a seed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    accounts: Annotated[int, Field(ge=1, le=4_096), BeforeValidator(whole)] = 512
    rollout: Annotated[int, Field(ge=1, le=4_096), BeforeValidator(whole)] = 32
    batch_size: Annotated[int, Field(ge=1, le=MOST_COLLECTED), BeforeValidator(whole)] = 8_192
    epochs: Annotated[int, Field(ge=1, le=100), BeforeValidator(whole)] = 10
    learning_rate: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]],
        Field(strict=False),
    ] = (5e-3, 1e-4)
    clip_range: Annotated[float, Field(gt=0, le=1)] = 0.2
    gae_lambda: Fraction = 0.9
    ent_coef: Fraction = 0.0
    target_kl: Annotated[float, Field(gt=0, le=10)] | None = 0.03
    widths: Annotated[tuple[Units, Units], Field(strict=False)] = (32, 32)
    every: Annotated[int, Field(ge=1, le=1_000), BeforeValidator(whole)] = 10
    patience: Annotated[int, Field(ge=1, le=1_000), BeforeValidator(whole)] = 3

    @model_validator(mode="after")
    def _possible(self) -> Self:
        collected = self.accounts * self.rollout
        if collected > MOST_COLLECTED:
            raise RefusedError(
                "too_many_steps",
                f"{self.accounts} accounts with {self.rollout} steps each are {collected} steps "
                f"between two updates; at most {MOST_COLLECTED} are held",
            )
        if self.batch_size > collected:
            raise RefusedError(
                "wrong_batch",
                f"batch_size {self.batch_size} is more than the {collected} steps of a rollout",
            )
        if self.learning_rate[0] < self.learning_rate[1]:
            raise RefusedError(
                "wrong_learning_rate",
                f"learning_rate from {self.learning_rate[0]:g} to {self.learning_rate[1]:g} "
                "cannot be; it falls",
            )
        return self


class PolicySpec(BaseModel):
    """A training of a policy: on whose trades, on which days, how long, at which costs."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    portfolio: Word = "main"
    name: Annotated[Line, Field(max_length=100)] | None = None
    """For people; the job's number by default."""
    configurations: Ids | Literal["active"] = "active"
    """Whose trades are sized; those that are active when the job is queued by default."""
    start: OpenTime | None = None
    """First open time, epoch ms; None for the first candle there is."""
    end: OpenTime | None = None
    """Open time before which the data ends, epoch ms; None for all there is."""
    seeds: Annotated[int, Field(ge=1, le=MOST_SEEDS), BeforeValidator(whole)] = 8
    seed: Annotated[int, Field(ge=0, le=2**31 - 1 - MOST_SEEDS), BeforeValidator(whole)] = 1
    """The first of them; the others follow it."""
    steps: Annotated[int, Field(ge=1, le=MOST_STEPS), BeforeValidator(whole)] = 1_000_000
    """Of each seed, at most."""
    budget: float = Field(default=1.0, gt=0, le=1_000)
    """What the weights sum to at most."""
    max_weight: float = Field(default=float(defaults.MAX_SYMBOL_NOTIONAL), gt=0, le=1)
    """Of one instrument."""
    fee: float = Field(default=float(defaults.FEE), ge=0, le=0.1)
    slippage: float = Field(default=defaults.SLIPPAGE, ge=0, le=0.1)
    impact: float = Field(default=defaults.IMPACT, ge=0, le=0.5)
    allow_overlap: Line | None = None
    """Why configurations may be used that were chosen by days of validation or test."""
    minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES), BeforeValidator(whole)] | None = None
    """After so long of training each seed stops with the best that it has."""
    ppo: PpoSpec | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise RefusedError("wrong_range", "start is not before end")
        ids = self.configurations
        if ids != "active" and len(set(ids)) < len(ids):
            raise RefusedError("named_twice", "a configuration is named twice")
        return self

    @property
    def numbers(self) -> range:
        """The seeds."""
        return range(self.seed, self.seed + self.seeds)
