"""Train one seed: update by update, the best is kept, and it is taken up again to the bit."""

import hashlib
import io
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.utils import LinearSchedule

from rl_svc.training.checkpoint import CheckpointError, older_removed, read, written
from rl_svc.training.compiled_ppo import CompiledPPO
from rl_svc.training.course import Course
from rl_svc.training.export import Layers, layers_of
from rl_svc.training.policy import PortfolioPolicy
from rl_svc.training.told import Ended, Hooks, Point, PpoSettings, Trained
from rl_svc.training.vec_env import SignalVecEnv

_BEST, _TRIED, _ENV, _CHANCE, _ZIP = "best_", "tried", "env_", "chance_", "zip"


@dataclass(slots=True, eq=False)
class _Run:
    """A training at work."""

    model: CompiledPPO
    env: SignalVecEnv
    update: int = 0
    best_update: int = 0
    excess: float = -np.inf
    layers: Layers = field(default_factory=dict)
    tried: list[Layers] = field(default_factory=list)
    difference: float = 0.0
    without_gain: int = 0
    ended: Ended | None = None

    def told(self) -> dict[str, Any]:
        names = ("update", "best_update", "excess", "difference", "without_gain", "ended")
        return {name: getattr(self, name) for name in names}


def train_seed(
    course: Course,
    settings: PpoSettings,
    seed: int,
    folder: Path,
    hooks: Hooks | None = None,
    checksum: str | None = None,
) -> Trained:
    """Train a policy; return the best one.

    The same course, settings and seed give the same parameters, however often the training was
    killed and taken up again.

    Args:
        course: what is learned.
        settings: how.
        seed: of all that is drawn.
        folder: of the checkpoints.
        hooks: who is told, and asked.
        checksum: of the checkpoint from which to go on; from the beginning by default.

    Raises:
        CheckpointError: no checkpoint has the checksum.
        ValueError: the market, or the checkpoint's, cannot be trained on.
        FloatingPointError: the parameters became infinite or no number.
    """
    hooks = hooks or Hooks()
    torch.set_num_threads(1)
    if checksum is None:
        run = _begun(course, settings, seed)
    else:
        run = _taken_up(course, settings, seed, *read(folder, seed, checksum))
    if run.ended in ("steps", "no_gain"):
        return _trained(run, seed)
    run.ended = None
    began = time.perf_counter()
    for _ in run.model.updates(settings.steps):
        run.update += 1
        took = time.perf_counter() - began
        if run.model.num_timesteps >= settings.steps:
            run.ended = "steps"
        elif not hooks.goes_on():
            run.ended = "stopped"
        due = run.update % settings.every == 0 or run.ended == "steps"
        excess = _evaluated(run, course, settings) if due else None
        hooks.told(_point(run, seed, excess, settings.accounts * settings.rollout / took))
        if due or run.ended:
            told = {**run.told(), "work": _work(course, settings)}
            hooks.kept(seed, written(folder, seed, run.update, told, _arrays_of(run)))
            older_removed(folder, seed, run.update)
        if run.ended:
            break
        began = time.perf_counter()
    if not run.layers:
        # stopped before the first evaluation; not in the checkpoint, which goes on as undisturbed
        _evaluated(run, course, settings)
    return _trained(run, seed)


def _begun(course: Course, settings: PpoSettings, seed: int) -> _Run:
    env = course.vec_env(settings.accounts, seed)
    wide, narrow = settings.widths
    model = CompiledPPO(
        PortfolioPolicy,
        env,
        learning_rate=LinearSchedule(*settings.learning_rate, 1.0),
        n_steps=settings.rollout,
        batch_size=settings.batch_size,
        n_epochs=settings.epochs,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip_range,
        ent_coef=settings.ent_coef,
        vf_coef=settings.vf_coef,
        max_grad_norm=settings.max_grad_norm,
        target_kl=settings.target_kl,
        policy_kwargs={
            "log_std_init": settings.log_std,
            "net_arch": {"pi": [wide, narrow], "vf": [wide, narrow]},
        },
        seed=seed,
        device="cpu",
    )
    return _Run(model, env)


def _taken_up(
    course: Course,
    settings: PpoSettings,
    seed: int,
    told: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
) -> _Run:
    state = dict(told)
    if state.pop("work") != _work(course, settings):
        raise CheckpointError(
            f"the checkpoint of seed {seed} is of other settings, candles or signals: train this "
            "seed anew"
        )
    env = course.vec_env(settings.accounts, seed)
    content = io.BytesIO(arrays[_ZIP].tobytes())
    model = CompiledPPO.load(content, env=env, device="cpu", force_reset=False)
    env.restore(_named(arrays, _ENV))
    # after loading, which draws from them
    chance = _named(arrays, _CHANCE)
    position, has_gauss = chance["places"].tolist()
    np.random.set_state(  # noqa: NPY002 - what stable-baselines3 seeds
        ("MT19937", chance["keys"], position, has_gauss, float(chance["gauss"]))
    )
    torch.set_rng_state(torch.from_numpy(chance["torch"]))
    tried = [_named(arrays, f"{_TRIED}{n}_") for n in range(state["update"] // settings.every + 1)]
    return _Run(
        model, env, layers=_named(arrays, _BEST), tried=[one for one in tried if one], **state
    )


def _arrays_of(run: _Run) -> dict[str, NDArray[Any]]:
    into = io.BytesIO()
    run.model.save(into)
    _, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 - as above
    return {
        _ZIP: np.frombuffer(into.getvalue(), np.uint8),
        f"{_CHANCE}keys": np.asarray(keys),
        f"{_CHANCE}places": np.array([position, has_gauss]),
        f"{_CHANCE}gauss": np.array(gauss),
        f"{_CHANCE}torch": torch.get_rng_state().numpy(),
        **{f"{_BEST}{name}": array for name, array in run.layers.items()},
        **{
            f"{_TRIED}{n}_{name}": array
            for n, one in enumerate(run.tried)
            for name, array in one.items()
        },
        **{f"{_ENV}{name}": array for name, array in run.env.state().items()},
    }


def _named(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name[len(prefix) :]: one for name, one in arrays.items() if name.startswith(prefix)}


def _evaluated(run: _Run, course: Course, settings: PpoSettings) -> float:
    """Replay the validation range by the mean of the policy; keep it if it is the best."""
    logits = run.model.predict(course.seen_in_validation, deterministic=True)[0]
    excess = course.validation_excess(logits)
    layers = layers_of(run.model.policy)
    run.tried.append(layers)
    run.difference = max(run.difference, course.difference(logits, layers))
    run.without_gain += 1
    if excess > run.excess:
        run.excess, run.best_update, run.without_gain = excess, run.update, 0
        run.layers = layers
    if run.without_gain >= settings.patience and run.ended is None:
        run.ended = "no_gain"
    return excess


def _point(run: _Run, seed: int, excess: float | None, steps_per_s: float) -> Point:
    figures = run.model.logger.name_to_value
    explained = float(figures["train/explained_variance"])
    rewards = [float(one["r"]) for one in run.model.ep_info_buffer or ()]
    return Point(
        seed=seed,
        update=run.update,
        step=run.model.num_timesteps,
        reward=float(np.mean(rewards)) if rewards else None,
        validation_excess=excess,
        entropy=-float(figures["train/entropy_loss"]),
        std=float(figures["train/std"]),
        kl=float(figures["train/approx_kl"]),
        clip_fraction=float(figures["train/clip_fraction"]),
        explained_variance=explained if np.isfinite(explained) else None,
        steps_per_s=steps_per_s,
    )


def _trained(run: _Run, seed: int) -> Trained:
    return Trained(
        seed=seed,
        steps=run.model.num_timesteps,
        updates=run.update,
        best_update=run.best_update,
        validation_excess=run.excess,
        layers=run.layers,
        tried=tuple(run.tried),
        export_difference=run.difference,
        ended=run.ended or "steps",
    )


def _work(course: Course, settings: PpoSettings) -> str:
    """Return what a checkpoint is of, as a checksum."""
    told = course.checksum + json.dumps(asdict(settings), sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
