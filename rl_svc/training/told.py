"""What the training of a seed is told, and what it tells."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from rl_svc.training.export import Layers
from rl_svc.training.policy import WIDTHS

Ended = Literal["steps", "no_gain", "stopped"]


@dataclass(frozen=True, slots=True)
class PpoSettings:
    """How a seed is trained.

    Attributes:
        steps: at most, of all accounts together.
        accounts: at once.
        rollout: steps of each account between updates.
        batch_size: of a step of the optimizer.
        epochs: passes over what was collected.
        learning_rate: first and last; it falls in a straight line.
        clip_range: of the likelihood ratio.
        gae_lambda: of the advantages.
        ent_coef: of the entropy.
        vf_coef: of the value's loss.
        max_grad_norm: of a gradient.
        target_kl: an update ends where the policy moved further.
        log_std: of the first policy; logits have four times its deviation.
        widths: of the hidden layers.
        every: updates between evaluations and checkpoints.
        patience: evaluations without gain that end the training: 30 updates.

    Raises:
        ValueError: one of them cannot be.
    """

    steps: int = 1_000_000
    accounts: int = 512
    rollout: int = 32
    batch_size: int = 8_192
    epochs: int = 10
    learning_rate: tuple[float, float] = (5e-3, 1e-4)
    clip_range: float = 0.2
    gae_lambda: float = 0.9
    ent_coef: float = 0.0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    target_kl: float | None = 0.03
    log_std: float = 0.0
    widths: tuple[int, int] = WIDTHS
    every: int = 10
    patience: int = 3

    def __post_init__(self) -> None:
        for name in ("steps", "accounts", "rollout", "batch_size", "epochs", "every", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        collected = self.accounts * self.rollout
        if self.batch_size > collected:
            raise ValueError(
                f"batch_size {self.batch_size} is more than the {collected} steps of a rollout"
            )
        if not self.learning_rate[0] >= self.learning_rate[1] > 0:
            raise ValueError(
                f"learning_rate from {self.learning_rate[0]:g} to {self.learning_rate[1]:g} "
                "cannot be; it falls, and stays above 0"
            )


@dataclass(frozen=True, slots=True)
class Point:
    """Where a training stands after an update.

    Attributes:
        seed: whose.
        update: how many there were.
        step: of all accounts together.
        reward: mean of the last hundred episodes, None before the first ended.
        validation_excess: log growth over that of equal weights, None between evaluations.
        entropy: of the actions.
        std: of the Gaussian, before the logits' scale.
        kl: how far the update moved the policy.
        clip_fraction: of the likelihood ratios, how many were clipped.
        explained_variance: of the returns by the values; None where they did not vary.
        steps_per_s: that it took, collecting and learning, but for evaluations and checkpoints.
    """

    seed: int
    update: int
    step: int
    reward: float | None
    validation_excess: float | None
    entropy: float
    std: float
    kl: float
    clip_fraction: float
    explained_variance: float | None
    steps_per_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What became of a seed.

    Attributes:
        seed: whose.
        steps: that were taken.
        updates: that were made.
        best_update: after which validation was best.
        validation_excess: of the best.
        layers: of the best, see `layers_of`.
        tried: those of all that were evaluated, in their order: what the best was chosen from.
        export_difference: greatest difference of a logit between torch and these layers, of all
            that were evaluated.
        ended: at the last step, for want of gain, or stopped from outside.
    """

    seed: int
    steps: int
    updates: int
    best_update: int
    validation_excess: float
    layers: Layers
    tried: tuple[Layers, ...]
    export_difference: float
    ended: Ended


@dataclass(frozen=True, slots=True)
class Hooks:
    """Who is told, and asked.

    Attributes:
        told: of each update.
        kept: of each checkpoint, seed and SHA-256; to be recorded before it returns, for older
            checkpoints are removed then.
        goes_on: asked after each update; the training stops where it says no.
        ended: of each seed that has been trained, where it has a process of its own.
    """

    told: Callable[[Point], object] = lambda _point: None
    kept: Callable[[int, str], object] = lambda _seed, _checksum: None
    goes_on: Callable[[], bool] = lambda: True
    ended: Callable[[Trained], object] = lambda _trained: None
