"""From trained networks to the model that is served: torch's arrays as plain NumPy has them."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from contracts.times import Timeframe
from rl_svc.training.policy import PortfolioPolicy
from tradepulse.trading.policies.figure_bins import FigureBins
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model import Manifest, Model, ModelError

Layers = Mapping[str, NDArray[np.float32]]
"""Of one network: of layer n the weights `wn` (inputs, outputs) and the biases `bn`."""
ROWS = 1 << 14
"""Rows of instruments whose logits are made in one go, so that memory does not grow with them."""
LIBRARIES = ("torch", "stable-baselines3", "numpy")


def layers_of(policy: PortfolioPolicy) -> Layers:
    """Return copies of what makes the logits; what makes the values is for training alone."""
    found: dict[str, NDArray[np.float32]] = {}
    hidden, head = policy.scorers.layers[0], policy.action_net
    if not isinstance(head, nn.Linear):
        raise TypeError(f"the head of the logits is {type(head).__name__}, not linear")
    for n, layer in enumerate((*hidden, head)):
        # torch has (outputs, inputs)
        found[f"w{n}"] = np.array(layer.weight.detach().numpy().T, np.float32, order="C")
        found[f"b{n}"] = np.array(layer.bias.detach().numpy(), np.float32)
    return found


def model_of(
    networks: Sequence[Layers],
    scale: tuple[NDArray[np.float32], NDArray[np.float32]],
    timeframe: Timeframe,
    *,
    max_weight: float,
    instruments: Sequence[str],
    made_by: Mapping[str, Any],
    seen: FigureBins | None = None,
) -> Model:
    """Return the model whose weights are the mean of what the networks would give.

    Args:
        networks: one for each seed, see `layers_of`.
        scale: mean and deviation of each figure in the training range, see `scale_of`.
        timeframe: of the returns that it sees.
        max_weight: of one instrument.
        instruments: those of the training.
        made_by: where it comes from; the versions of libraries are added.
        seen: where its figures lay in the training range.

    Raises:
        ModelError: there is no network, or they are of several shapes.
    """
    if not networks:
        raise ModelError("no seed was trained, so there is no model: train longer")
    shapes = [{name: array.shape for name, array in one.items()} for one in networks]
    if any(one != shapes[0] for one in shapes):
        raise ModelError("the seeds' networks are of several shapes: train them by one setting")
    count = len(networks[0]) // 2
    widths = [networks[0][f"w{n}"].shape for n in range(count)]
    mean, deviation = scale
    manifest = Manifest(
        timeframe=timeframe,
        layers=(widths[0][0], *(units for _, units in widths)),
        seeds=len(networks),
        max_weight=max_weight,
        instruments=tuple(instruments),
        made_by={**made_by, "libraries": {name: version(name) for name in LIBRARIES}},
        seen=seen,
    )
    stacked = {name: np.stack([one[name] for one in networks]) for name in networks[0]}
    return Model.of(manifest, {"mean": mean, "scale": deviation, **stacked})


def logits_of(layers: Layers, observations: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the logits `(rows, N)` of observations `(rows, N, F)`, as a served model makes them.

    Args:
        layers: of one network.
        observations: scaled.
    """
    figures = observations.shape[-1]
    scale = np.zeros(figures, np.float32), np.ones(figures, np.float32)
    policy = LearnedPolicy(
        model_of([layers], scale, "1h", max_weight=1.0, instruments=(), made_by={})
    )
    flat = observations.reshape(-1, figures)
    parts = [policy.logits(flat[at : at + ROWS])[0] for at in range(0, len(flat), ROWS)]
    return np.concatenate(parts).reshape(observations.shape[:-1])
