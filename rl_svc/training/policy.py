"""The network that is trained, in torch: one scorer for all instruments, as `scorer.py` has it.

A policy of stable-baselines3, so that its `save`, `load`, `predict` and its own PPO work with it.
"""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

from rl_svc.training.scorer import LOGIT_SCALE

WIDTHS = (32, 32)


class MaskedGaussian(DiagGaussianDistribution):
    """A Gaussian of one deviation over logits, of which only the unmasked ones count."""

    def of(
        self, means: torch.Tensor, log_std: torch.Tensor, unmasked: torch.Tensor
    ) -> "MaskedGaussian":
        """Take means (samples, instruments), a log deviation (1,), and 1 where not masked."""
        self.unmasked = unmasked
        self.proba_distribution(means, log_std + np.log(LOGIT_SCALE))
        return self

    def log_prob(self, actions: torch.Tensor) -> torch.Tensor:
        """Return the log-likelihood of the unmasked logits, one for each sample."""
        made: torch.Tensor = (self.distribution.log_prob(actions) * self.unmasked).sum(dim=1)  # type: ignore[no-untyped-call]  # torch's is untyped
        return made

    def entropy(self) -> torch.Tensor:
        """Return the entropy of the unmasked logits, one for each sample."""
        made: torch.Tensor = (self.distribution.entropy() * self.unmasked).sum(dim=1)  # type: ignore[no-untyped-call]  # torch's is untyped
        return made


class Scorers(nn.Module):
    """The hidden layers of both scorers, from flat observations.

    What goes to the heads is (samples, instruments, width + 1): the last column is 1 where the
    instrument is not masked, else 0.
    """

    def __init__(self, features: int, pi: tuple[int, int], vf: tuple[int, int]) -> None:
        super().__init__()
        self.features, self.widths = features, (pi, vf)
        self.latent_dim_pi, self.latent_dim_vf = pi[1], vf[1]
        # (hidden layers of the logits' scorer, of the values')
        self.layers = tuple(
            (nn.Linear(features, wide), nn.Linear(wide, narrow)) for wide, narrow in self.widths
        )
        self.policy_net, self.value_net = (
            nn.Sequential(first, nn.Tanh(), second, nn.Tanh()) for first, second in self.layers
        )

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what goes to the two heads."""
        return self.forward_actor(observations), self.forward_critic(observations)

    def forward_actor(self, observations: torch.Tensor) -> torch.Tensor:
        """Return what goes to the head of the logits."""
        return self._latent(self.policy_net, observations)

    def forward_critic(self, observations: torch.Tensor) -> torch.Tensor:
        """Return what goes to the head of the value."""
        return self._latent(self.value_net, observations)

    def _latent(self, layers: nn.Module, observations: torch.Tensor) -> torch.Tensor:
        rows = observations.reshape(len(observations), -1, self.features)
        unmasked = (rows != 0).any(dim=2, keepdim=True).to(rows.dtype)
        return torch.cat([layers(rows), unmasked], dim=2)


class LogitHead(nn.Linear):
    """Makes the mean logits (samples, instruments), 0 where masked."""

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Return the logits of what `Scorers` made."""
        return LOGIT_SCALE * super().forward(latent[..., :-1]).squeeze(-1) * latent[..., -1]


class ValueHead(nn.Linear):
    """Makes the value (samples, 1): the mean over unmasked instruments, 0 where there is none."""

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Return the value of what `Scorers` made."""
        unmasked = latent[..., -1:]
        total = (super().forward(latent[..., :-1]) * unmasked).sum(dim=1)
        return total / unmasked.sum(dim=1).clamp(min=1)


class PortfolioPolicy(ActorCriticPolicy):
    """Logits of N instruments by one scorer with shared weights; the softmax is the environment's.

    Observations are N rows of F features, flat; the action is N logits. So any number and any order
    of instruments is decided by the same parameters. A row of zeros is a masked instrument: its
    logit is 0, without a part in the likelihood. A portfolio of masked ones alone has the value 0.

    Args:
        observation_space: a box of N x F.
        action_space: a box of N.
        lr_schedule: the learning rate by what is left of the training.
        net_arch: `{"pi": [32, 32], "vf": [32, 32]}`, hidden layers of the scorers.
        rest: as of `ActorCriticPolicy`.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        net_arch: dict[str, list[int]] | None = None,
        **rest: Any,
    ) -> None:
        net_arch = {"pi": list(WIDTHS), "vf": list(WIDTHS)} if net_arch is None else net_arch
        super().__init__(observation_space, action_space, lr_schedule, net_arch, **rest)

    def _build(self, lr_schedule: Schedule) -> None:
        """Make the networks and the optimizer; `ActorCriticPolicy.__init__` calls it."""
        shape, instruments = self.observation_space.shape, self.action_space.shape
        if shape is None or instruments is None or len(shape) != 1 or len(instruments) != 1:
            raise ValueError("PortfolioPolicy needs a box of N x F as observation, of N as action")
        features, left = divmod(shape[0], instruments[0])
        if left or not features:
            raise ValueError(f"{shape[0]} observations are no rows of {instruments[0]} instruments")
        if self.use_sde or not isinstance(self.net_arch, dict):
            raise ValueError("PortfolioPolicy takes no use_sde, and net_arch as {'pi': …, 'vf': …}")
        (pi_wide, pi), (vf_wide, vf) = self.net_arch["pi"], self.net_arch["vf"]
        self.scorers = Scorers(features, (pi_wide, pi), (vf_wide, vf))
        self.mlp_extractor = self.scorers  # type: ignore[assignment]  # has what is asked of it
        self.action_net, self.value_net = LogitHead(pi, 1), ValueHead(vf, 1)
        self.log_std = nn.Parameter(torch.full((1,), float(self.log_std_init)))
        self.action_dist = MaskedGaussian(instruments[0])
        for module, gain in (
            (self.mlp_extractor, np.sqrt(2)),
            (self.action_net, 0.01),
            (self.value_net, 1.0),
        ):
            for layer in module.modules():
                self.init_weights(layer, gain=float(gain))
        settings: dict[str, Any] = {"lr": lr_schedule(1), **self.optimizer_kwargs}
        self.optimizer = self.optimizer_class(self.parameters(), **settings)

    def _get_action_dist_from_latent(self, latent_pi: torch.Tensor) -> MaskedGaussian:
        means = self.action_net(latent_pi)
        return MaskedGaussian(means.shape[1]).of(means, self.log_std, latent_pi[..., -1])
