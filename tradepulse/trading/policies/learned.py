"""A learned policy: a small network for each instrument, in plain NumPy, float64."""

from collections.abc import Mapping, Sequence

import numpy as np

from tradepulse.trading.policies.features import (
    CLIP,
    Floats,
    Mask,
    Observed,
    Singles,
    observe,
    scaled,
)
from tradepulse.trading.policies.model import Model
from tradepulse.trading.policies.softmax import allocate, floored
from tradepulse.trading.weights import checked_budget


class LearnedPolicy:
    """Weights of a trained model: the mean of what its seeds' networks would give.

    Args:
        model: whose network it is.
        budget: what the weights sum to at most.
    """

    def __init__(self, model: Model, budget: float = 1.0) -> None:
        manifest = model.manifest
        self.model_id = str(model.model_id)
        self.name = f"ppo:{self.model_id[:8]}"
        self.lookback = manifest.lookback
        self.timeframe = manifest.timeframe
        self.mode = manifest.mode
        self.budget = checked_budget(budget)
        self._manifest = manifest
        self._mean, self._scale = model.arrays["mean"], model.arrays["scale"]
        self._layers = [
            (model.arrays[f"w{n}"].astype(np.float64), model.arrays[f"b{n}"].astype(np.float64))
            for n in range(len(manifest.layers) - 1)
        ]

    def weights(self, returns: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return the weights; 0 for an instrument that is not known.

        Args:
            returns: by instrument, the last returns of its series of the model's timeframe.
        """
        return self.weights_of(self.observe(returns))

    def observe(self, returns: Mapping[str, Sequence[float] | Floats]) -> Observed:
        """Return what the policy sees of returns: one row."""
        return observe(returns)

    def weights_of(self, seen: Observed) -> dict[str, float]:
        """Return the weights for what is seen at a close: an observation of one row."""
        found = self.row(seen.figures[0], seen.mask[0])
        return dict(zip(seen.instruments, found.tolist(), strict=True))

    def clipped(self, seen: Observed) -> int:
        """Return how many figures of a close lie at their bound, or beyond it."""
        figures = scaled(seen.figures[0], seen.mask[0], self._mean, self._scale)
        return int(np.count_nonzero(np.abs(figures) >= CLIP))

    def row(self, figures: Floats, mask: Mask) -> Floats:
        """Return the weights (instruments,) of one row of figures, as `observe_rows` gives them."""
        # what overflows is found by who asks: its weights are not finite
        with np.errstate(all="ignore"):
            logits = self.logits(scaled(figures, mask, self._mean, self._scale))
            bound, budget = self._manifest.max_weight, self.budget
            each = allocate(logits, np.broadcast_to(mask, logits.shape), bound, budget)
            return floored(each.mean(axis=0)) if len(each) > 1 else each[0]

    def logits(self, observations: Singles) -> Floats:
        """Return the logits (seeds, instruments) of observations (instruments, figures)."""
        values = np.broadcast_to(
            observations.astype(np.float64), (self._manifest.seeds, *observations.shape)
        )
        last = len(self._layers) - 1
        for number, (weights, biases) in enumerate(self._layers):
            values = values @ weights + biases[:, None]
            if number < last:
                values = np.tanh(values)
        return self._manifest.logit_scale * values[..., 0]
