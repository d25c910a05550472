"""Each statistic against an oracle: skfolio, scipy, or a plain and slow one."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from skfolio.measures import deflated_sharpe_ratio as skfolio_deflated
from skfolio.measures import expected_max_sharpe_ratio, probabilistic_sharpe_ratio
from skfolio.model_selection import CombinatorialPurgedCV, WalkForward

from tradepulse.research.validation.overfitting import blocks_for, cscv
from tradepulse.research.validation.resampling import (
    bootstrapped_profits,
    permuted_drawdowns,
    returns_of_trades,
)
from tradepulse.research.validation.significance import (
    chance_deviation,
    deflated_sharpe,
    expected_maximum,
    probabilistic_sharpe,
    sharpe,
)
from tradepulse.research.validation.splits import combinatorial, paths, walk_forward


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize(("train", "test", "gap"), [(20, 7, 0), (30, 10, 3), (5, 1, 2)])
def test_walk_forward_is_skfolios(train: int, test: int, gap: int, anchored: bool) -> None:
    oracle = WalkForward(
        test_size=test, train_size=train, expand_train=anchored, purged_size=gap
    ).split(np.zeros((97, 1)))
    ours = walk_forward(97, train=train, test=test, purge=gap, anchored=anchored)
    assert [(list(range(*window.train)), list(range(*window.test))) for window in ours] == [
        (list(a), list(b)) for a, b in oracle
    ]


def test_an_embargo_widens_the_gap_before_a_test() -> None:
    ours = walk_forward(40, train=10, test=5, purge=2, embargo=3)
    assert all(window.test[0] - window.train[1] == 5 for window in ours)
    assert ours[-1].test[1] == 40


@pytest.mark.parametrize(
    ("groups", "tested", "purge", "embargo"), [(10, 2, 0, 0), (6, 2, 3, 4), (5, 3, 1, 0)]
)
def test_combinatorial_splits_are_skfolios(
    groups: int, tested: int, purge: int, embargo: int
) -> None:
    oracle = CombinatorialPurgedCV(groups, tested, purge, embargo)
    ours = list(combinatorial(123, groups=groups, tested=tested, purge=purge, embargo=embargo))
    theirs = list(oracle.split(np.zeros((123, 1))))
    assert len(ours) == len(theirs) == math.comb(groups, tested)
    for fold, (train, _), chosen in zip(ours, theirs, oracle.test_set_index, strict=True):
        assert fold.groups == tuple(chosen)
        assert fold.train.tolist() == train.tolist()
    assert paths(groups, tested).tolist() == oracle.recombined_paths.T.tolist()


def test_of_groups_tested_one_by_one_each_is_tested_once() -> None:
    folds = list(combinatorial(50, groups=5, tested=1, purge=4, embargo=5))
    assert [fold.groups for fold in folds] == [(0,), (1,), (2,), (3,), (4,)]
    assert folds[1].train.tolist() == [*range(6), *range(29, 50)]


def test_every_path_tests_every_group_in_a_fold_that_did_not_train_on_it() -> None:
    folds = list(combinatorial(100, groups=10, tested=2, purge=1, embargo=2))
    for path in paths(10, 2):
        assert all(group in folds[fold].groups for group, fold in enumerate(path))
    for fold in folds:
        for group in fold.groups:
            held_out = set(range(10 * group - 1, 10 * group + 13))
            assert not held_out & set(fold.train.tolist())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: walk_forward(10, train=8, test=3), "too few"),
        (lambda: walk_forward(10, train=0, test=3), "train is 0"),
        (lambda: walk_forward(10, train=2, test=2, purge=-1), "purge -1"),
        (lambda: list(combinatorial(50, groups=10, tested=2, purge=3, embargo=2)), "leave nothing"),
        (lambda: list(combinatorial(50, groups=5, tested=5)), "5 of 5 groups"),
        (lambda: list(combinatorial(50, groups=5, tested=0)), "0 of 5 groups"),
        (lambda: list(combinatorial(3, groups=5, tested=1)), "3 days make no 5 groups"),
    ],
)
def test_splits_that_cannot_be_are_refused(wrong: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()  # type: ignore[operator]  # a list of callables


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", ["normal", "skewed"])
def test_sharpe_ratios_are_skfolios(seed: int, shape: str) -> None:
    draw = random(seed)
    returns = draw.normal(0.001, 0.02, 250)
    if shape == "skewed":
        returns = np.exp(3 * returns) - 1.0
    trials = draw.normal(0, 0.05, 400)
    assert probabilistic_sharpe(returns) == pytest.approx(
        probabilistic_sharpe_ratio(returns), rel=1e-12
    )
    assert probabilistic_sharpe(returns, 0.03) == pytest.approx(
        probabilistic_sharpe_ratio(returns, 0.03), rel=1e-12
    )
    assert expected_maximum(400, 0.05) == pytest.approx(
        expected_max_sharpe_ratio(400, 0.05), rel=1e-12
    )
    assert deflated_sharpe(returns, 400, float(trials.std(ddof=1))) == pytest.approx(
        skfolio_deflated(returns, trials), rel=1e-12
    )


def test_the_paper_s_example_of_a_deflated_sharpe_ratio() -> None:
    """Bailey and Lopez de Prado (2014), numerical example: 0.9004 after 100 trials in 5 years."""
    n, annual = 1_250, math.sqrt(250)
    z = (2.5 / annual - expected_maximum(100, math.sqrt(0.5) / annual)) * math.sqrt(n - 1)
    variance = 1 + 3 * 2.5 / annual + 9 / 4 * (2.5 / annual) ** 2
    assert stats.norm.cdf(z / math.sqrt(variance)) == pytest.approx(0.9004, abs=2e-4)


def test_the_best_of_trials_without_an_edge_is_rarely_significant() -> None:
    """Deflated by chance's own deviation, the best of 300 passes 0.95 in at most 5 % of cases."""
    draw, passed, undeflated = random(3), 0, 0
    for _ in range(300):
        returns = draw.standard_t(4, (250, 300)) * 0.01
        ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
        best = returns[:, ratios.argmax()]
        value = deflated_sharpe(best, 300, chance_deviation(250))
        plain = probabilistic_sharpe(best)
        assert value is not None
        assert plain is not None
        passed += value >= 0.95
        undeflated += plain >= 0.95
    assert passed <= 0.05 * 300
    assert undeflated > 0.9 * 300


@pytest.mark.parametrize("returns", [np.zeros(50), np.full(50, 0.01), np.array([0.1, 0.2])])
def test_returns_without_a_deviation_have_no_sharpe_ratio(returns: np.ndarray) -> None:
    assert sharpe(returns) is None
    assert probabilistic_sharpe(returns) is None
    assert deflated_sharpe(returns, 10, 0.1) is None


def test_one_trial_is_not_deflated() -> None:
    returns = random().normal(0.001, 0.01, 100)
    assert deflated_sharpe(returns, 1, 0.3) == probabilistic_sharpe(returns)
    with pytest.raises(ValueError, match="at least 1"):
        deflated_sharpe(returns, 0, 0.3)
    with pytest.raises(ValueError, match="deviation"):
        deflated_sharpe(returns, 5, math.nan)


def slow_cscv(returns: np.ndarray, blocks: int) -> list[float]:
    """The paper's algorithm as it is written, one combination after the other."""
    parts = np.split(returns, blocks)
    logits = []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[i] for i in chosen])
        outside = np.concatenate([parts[i] for i in range(blocks) if i not in chosen])
        best = int(np.argmax([r.mean() / r.std() for r in inside.T]))
        ranks = stats.rankdata([r.mean() / r.std() for r in outside.T])
        rank = ranks[best] / (returns.shape[1] + 1)
        logits.append(math.log(rank / (1 - rank)))
    return logits


@pytest.mark.parametrize(("blocks", "trials"), [(4, 5), (6, 12), (8, 30)])
def test_cscv_is_the_slow_one(blocks: int, trials: int) -> None:
    returns = random(blocks).normal(0.0005, 0.01, (blocks * 11, trials))
    found, slow = cscv(returns, blocks), slow_cscv(returns, blocks)
    assert sorted(found.logits) == pytest.approx(sorted(slow))
    assert found.probability == np.mean(np.array(slow) <= 0)
    assert len(found.logits) == math.comb(blocks, blocks // 2)


def test_overfitting_is_likely_without_an_edge_and_unlikely_with_one() -> None:
    draw = random(1)
    noise = np.mean([cscv(draw.normal(0, 0.01, (320, 100)), 8).probability for _ in range(20)])
    assert 0.4 < noise < 0.6
    edge = draw.normal(0, 0.01, (320, 100))
    edge[:, 7] += 0.004
    found = cscv(edge, 8)
    assert found.probability == 0.0
    assert found.loss == 0.0


def test_trials_that_stay_in_cash_tie_at_zero() -> None:
    returns = np.zeros((40, 6))
    returns[:, 0] = random().normal(-0.01, 0.001, 40)
    found = cscv(returns, 4)
    # the best is one of five in cash; they share the mean of the ranks 2 to 6
    assert set(found.outside.tolist()) == {0.0}
    assert found.logits == pytest.approx(math.log((4 / 7) / (3 / 7)))
    assert found.loss == 1.0


@pytest.mark.parametrize(
    ("shape", "blocks", "message"),
    [
        ((100, 5), 7, "even number"),
        ((100, 1), 4, "at least 2"),
        ((30, 5), 16, "two days or more"),
    ],
)
def test_cscv_refuses(shape: tuple[int, int], blocks: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cscv(random().normal(size=shape), blocks)


def test_cscv_refuses_a_return_that_is_no_number() -> None:
    returns = random().normal(size=(100, 5))
    returns[3, 3] = math.nan
    with pytest.raises(ValueError, match="no number"):
        cscv(returns, 4)


@pytest.mark.parametrize(("periods", "blocks"), [(1_000, 16), (79, 14), (40, 8), (20, 4), (19, 0)])
def test_blocks(periods: int, blocks: int) -> None:
    assert blocks_for(periods) == blocks


def drawdown(returns: list[float]) -> float:
    equity = peak = 1.0
    deepest = 0.0
    for one in returns:
        equity *= 1 + one
        peak = max(peak, equity)
        deepest = max(deepest, 1 - equity / peak)
    return 100 * deepest


def test_permuted_drawdowns_are_those_of_all_orders() -> None:
    returns = [0.1, -0.05, 0.03, -0.12, -0.02, 0.07]
    every = [drawdown(list(order)) for order in itertools.permutations(returns)]
    sampled = permuted_drawdowns(np.array(returns), 20_000, seed=2)
    assert min(every) <= sampled.min()
    assert sampled.max() <= max(every) + 1e-9
    for quantile in (0.1, 0.5, 0.9):
        assert np.quantile(sampled, quantile) == pytest.approx(
            np.quantile(every, quantile), abs=0.7
        )
    assert sampled.mean() == pytest.approx(np.mean(every), abs=0.1)


def test_bootstrapped_profits_are_scipys() -> None:
    returns = random(5).normal(0.004, 0.02, 60)
    sampled = bootstrapped_profits(returns, 20_000, seed=1)
    oracle = stats.bootstrap(
        (np.log1p(returns),),
        lambda x, axis: x.sum(axis=axis),
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(9),
    ).bootstrap_distribution
    for quantile in (0.05, 0.5, 0.95):
        assert math.log1p(np.quantile(sampled, quantile) / 100) == pytest.approx(
            np.quantile(oracle, quantile), abs=0.01
        )
    assert (bootstrapped_profits(returns, 50, 1) == bootstrapped_profits(returns, 50, 1)).all()


def test_a_trade_that_loses_everything_ends_the_account() -> None:
    assert permuted_drawdowns(np.array([0.5, -1.5, 0.2]), 10, 0).tolist() == [100.0] * 10


def test_returns_of_trades_compound_to_the_equity() -> None:
    profits = np.array([50.0, -20.0, 130.0])
    found = returns_of_trades(1_000.0, profits)
    assert np.prod(1 + found) * 1_000 == pytest.approx(1_160)
    assert found[1] == pytest.approx(-20 / 1_050)
    with pytest.raises(ValueError, match="not above 0"):
        returns_of_trades(100.0, np.array([-150.0, 10.0]))
    with pytest.raises(ValueError, match="no trades"):
        bootstrapped_profits(np.array([]), 10, 0)
