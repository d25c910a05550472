"""The arrays that compiled code and torch both work on."""

import torch
from torch import nn

from rl_svc.training import scorer
from rl_svc.training.policy import PortfolioPolicy

ROWS_AT_ONCE = 512
"""Instruments' rows whose activations are worked on at once: they stay in the processor's cache."""


def parameters(policy: PortfolioPolicy) -> list[nn.Parameter]:
    """Return the parameters in the order of `scorer.shapes`."""
    layers, heads = policy.scorers.layers, (policy.action_net, policy.value_net)
    found: list[nn.Parameter] = []
    for hidden, head in zip(layers, heads, strict=True):
        for layer in (*hidden, head):
            found += layer.parameters()  # weight, bias
    return [*found, policy.log_std]


class Shared:
    """The arrays that compiled code and torch share: parameters and Adam's moments."""

    def __init__(self, policy: PortfolioPolicy, instruments: int) -> None:
        self.tensors = parameters(policy)
        features, widths = policy.scorers.features, policy.scorers.widths
        self.learner = scorer.learner(features, *widths)
        samples = max(1, ROWS_AT_ONCE // instruments)
        self.scratch = scorer.scratch(self.learner, instruments, samples)
        shapes = scorer.shapes(features, *widths)
        self.views = scorer.views(self.learner.parameters, shapes)
        self.moments = {
            "exp_avg": scorer.views(self.learner.first, shapes),
            "exp_avg_sq": scorer.views(self.learner.second, shapes),
        }
        state = policy.optimizer.state
        for i, (tensor, view) in enumerate(zip(self.tensors, self.views, strict=True)):
            view[...] = tensor.detach().numpy()
            tensor.data = torch.from_numpy(view)
            own = state[tensor]
            own.setdefault("step", torch.tensor(0.0))
            for name, views in self.moments.items():
                views[i][...] = own[name].numpy() if name in own else 0.0
                own[name] = torch.from_numpy(views[i])

    def are_of(self, policy: PortfolioPolicy) -> bool:
        """Tell whether torch still works on these arrays; loading puts others in their place."""
        state = policy.optimizer.state
        return all(
            tensor is mine
            and _same(tensor.data, view)
            and all(
                name in state[tensor] and _same(state[tensor][name], views[i])
                for name, views in self.moments.items()
            )
            for i, (tensor, mine, view) in enumerate(
                zip(parameters(policy), self.tensors, self.views, strict=True)
            )
        )

    def steps(self, policy: PortfolioPolicy) -> int:
        """Return how many steps Adam took."""
        return int(policy.optimizer.state[self.tensors[0]]["step"].item())

    def take_steps(self, policy: PortfolioPolicy, count: int) -> None:
        """Tell torch's Adam of as many steps."""
        for tensor in self.tensors:
            policy.optimizer.state[tensor]["step"] += count


def _same(tensor: torch.Tensor, view: scorer.Array) -> bool:
    return bool(tensor.data_ptr() == view.ctypes.data)
