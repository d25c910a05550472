"""From a network's logits to weights: softmax with cash, a bound, six digits."""

import numpy as np

from tradepulse.trading.policies.features import Floats, Mask
from tradepulse.trading.weights import WEIGHT_DIGITS

LOGIT_BOUND = 10.0
"""Logits are bounded by this: what is beyond is no preference, but a network gone astray."""


def allocate(logits: Floats, mask: Mask, max_weight: float, budget: float = 1.0) -> Floats:
    """Return weights (rows, instruments); what is missing to the budget is cash.

    Args:
        logits: (rows, instruments), of any size.
        mask: (rows, instruments), who may have a weight.
        max_weight: of one instrument.
        budget: what the weights sum to at most.
    """
    return floored(bounded(budget * shares(logits, mask), min(max_weight, 1.0)))


def shares(logits: Floats, mask: Mask) -> Floats:
    """Return the softmax over cash, whose logit is 0, and the instruments that are not masked."""
    bound = np.clip(logits, -LOGIT_BOUND, LOGIT_BOUND)
    raised = np.where(mask, np.exp(bound), 0.0)
    found: Floats = raised / (1.0 + raised.sum(axis=-1, keepdims=True))
    return found


def bounded(weights: Floats, max_weight: float) -> Floats:
    """Fill weights up to a bound, as water: what is above it flows to the others.

    It is shared in proportion to their weights. Where all are at the bound, the rest is cash: what
    was cash before stays so, too.
    """
    weights = weights.copy()
    total = weights.sum(axis=-1, keepdims=True)
    full = np.zeros(weights.shape, np.bool_)
    for _ in range(weights.shape[-1]):
        over = (weights > max_weight) & ~full
        if not over.any():
            break
        full |= over
        left = np.maximum(total - max_weight * full.sum(axis=-1, keepdims=True), 0.0)
        open_ = np.where(full, 0.0, weights)
        open_sum = open_.sum(axis=-1, keepdims=True)
        changes = over.any(axis=-1, keepdims=True) & (open_sum > 0)
        grown = open_ * (left / np.where(open_sum > 0, open_sum, 1.0))
        weights = np.where(full, max_weight, np.where(changes, grown, weights))
    return weights


def floored(weights: Floats) -> Floats:
    """Round weights down to the digits that are published."""
    found: Floats = np.floor(weights * WEIGHT_DIGITS) / WEIGHT_DIGITS
    return found
