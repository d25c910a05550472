"""The portfolio's weights and models, as the API answers and the stream pushes them."""

from typing import Any, Literal
from uuid import UUID

from studio_svc.web_app.views import View

ModelStage = Literal["CANDIDATE", "REFUSED", "SHADOW", "ACTIVE", "RETIRED"]


class WeightsView(View):
    """The last weight vector; what is missing to 1 stays cash.

    `budget` is what the weights sum to at most, `model_id` names the model that is followed.
    `fallback` says why the portfolio's own policy did not decide; `policy` did in its place.
    """

    portfolio: str
    close_time: int
    policy: str
    weights: dict[str, float]
    missing: list[str]
    budget: float = 1.0
    model_id: str | None = None
    fallback: str | None = None


class AllocationsView(View):
    """Weight vectors over time, oldest first, the last close among them."""

    closes: int
    """How many there are in the range."""
    every: int
    """Of so many closes one is shown."""
    vectors: list[WeightsView]


class ModelView(View):
    """One trained model: where it stands, and what the gates said."""

    model_id: UUID
    portfolio: str
    job_id: UUID | None
    created_at: int
    name: str
    stage: ModelStage
    stage_since: int
    overrides: list[str]
    """What a person set aside to bring it here, each with the reason."""
    timeframe: str
    instruments: list[str]
    mode: Literal["signals", "rebalance"]
    """One of mode `rebalance` cannot be promoted."""
    seeds: list[int]
    steps: int
    passed: bool | None
    """Null where no gate was asked."""
    verdict: str
    gates: list[dict[str, Any]]
    """What each gate said; `title`, `passed` and `verdict` of each are for people."""
    metrics: dict[str, Any]
    baselines: dict[str, Any]


class ModelEventView(View):
    """One line of a model's history."""

    at: int
    from_stage: ModelStage | None
    to_stage: ModelStage
    reason: str
    by_person: bool
    evidence: dict[str, Any]


class ModelDetailView(ModelView):
    """One model with what it came of, what it decided, and its history, oldest first."""

    config: dict[str, Any]
    configurations: list[dict[str, Any]]
    data: dict[str, Any]
    report: dict[str, Any]
    """All that its evaluation found; empty where there was none."""
    manifest: dict[str, Any]
    artifact_sha256: str
    closes: int
    """Closes of the portfolio at which it was followed."""
    fallbacks: dict[str, int]
    """How many of them inverse volatility decided, by the reason."""
    shadow_closes: int
    """Closes at which it decided beside the one that was followed."""
    events: list[ModelEventView]


class PromotedView(View):
    """A promoted model, and the one that it replaced as the active one."""

    model: ModelDetailView
    replaced: ModelView | None


class FallbackView(View):
    """Closes that inverse volatility decided for the same reason."""

    reason: str
    sentence: str
    closes: int


class RecentView(View):
    """Who decided at the closes of the last days of event time."""

    since: int
    """After this close."""
    until: int
    closes: int
    fallbacks: list[FallbackView]
    """The most frequent reason first; empty where the portfolio's own policy decided all."""


class StatusView(View):
    """Who decides the weights now, and who beside."""

    portfolio: str
    last: WeightsView | None
    """The last decision; null before the first."""
    recent: RecentView | None
    """Of the last seven days; null before the first decision."""
    active: ModelView | None
    """The model that is followed; null where none is."""
    promoted: ModelEventView | None
    """How it came to be."""
    former: ModelView | None
    """The model that was active before."""
    shadows: list[ModelView]
    shadow_days: int
    """So long a model decides in shadow before it is promoted without a reason."""


class ModelsStateView(View):
    """Whether models or trainings changed."""

    version: str
    """Another one after each change."""


class SeedCurveView(View):
    """The curve of one seed of a training, thinned."""

    seed: int
    step: list[int]
    value: list[float]
    best_step: int | None
    """Where validation was best; null before the first validation."""
    ended: str | None
    """Why the seed was not trained on; null while that is not known."""


class CurvesView(View):
    """The curves of a metric over all seeds, and their interquartile mean with its 95 % band.

    Those are computed from all points, at the steps that half of the seeds have reached.
    """

    metric: str
    metrics: list[str]
    """What has points."""
    seeds: list[SeedCurveView]
    step: list[int]
    iqm: list[float]
    low: list[float]
    high: list[float]


class PartView(View):
    """A part of time: closes after `start`, up to `end`, epoch ms."""

    start: int
    end: int
    days: int


class SizedView(View):
    """A configuration whose trades would be sized."""

    configuration_id: UUID
    strategy: str
    series: str


class TrainingCheckView(View):
    """What can be said of a training before it is queued."""

    refusals: list[str]
    """Why it cannot be, each a line; with none it can be queued."""
    warnings: list[str]
    seconds: float | None
    """What it may take; null where it cannot be."""
    embargo_days: int | None
    """The least: the trainer adds how long trades are held."""
    parts: dict[Literal["train", "validation", "test"], PartView] | None
    configurations: list[SizedView]
    trainer: bool
    """Whether a trainer was seen in the last half minute."""
    free_bytes: int | None
    """That its folder of checkpoints has left."""
