"""What is to be followed live and is not is told in one line: in the terminal and on the page."""

import pytest

from tradepulse.cli.up.figures import Figures
from tradepulse.cli.up.live import Live
from tradepulse.market_data.subscriptions import Subscription, not_followed

MINUTE = 60_000
NOON = 1_700_006_400_000 // (5 * MINUTE) * 5 * MINUTE
DOWN = "kraken does not answer; it is asked again"


def row(symbol: str, until: int | None = NOON, trouble: str | None = None) -> Subscription:
    return Subscription("kraken", symbol, "5m", trouble, until)


@pytest.mark.parametrize(
    ("rows", "minutes", "said"),
    [
        ([], 0, None),
        ([row("A/B"), row("C/D", None)], 0, None),
        # the candle that is due may take a minute more
        ([row("A/B")], 11, None),
        (
            [row("A/B")],
            12,
            "The market is not followed: kraken:A/B:5m: no candle since 2023-11-15 00:00 UTC",
        ),
        (
            [row("A/B", None, DOWN), row("C/D")],
            0,
            f"A part of the market is not followed: kraken:A/B:5m: {DOWN}",
        ),
        (
            [row("A/B", None, DOWN), row("C/D", None, DOWN)],
            0,
            f"The market is not followed: kraken:A/B:5m: {DOWN} (1 more of 2 series have trouble)",
        ),
    ],
)
def test_what_is_not_followed_is_one_line(
    rows: list[Subscription], minutes: int, said: str | None
) -> None:
    assert not_followed(rows, NOON + minutes * MINUTE) == said


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((), "Nothing is followed: `tradepulse subscriptions add kraken:BTC/USD:5m` does it"),
        ((row("A/B", None),), "Asking the venues"),
        ((row("A/B", None, DOWN),), f"The market is not followed: kraken:A/B:5m: {DOWN}"),
        ((row("A/B"), row("C/D", None)), "Following the market"),
    ],
)
def test_the_terminal_follows_the_market_only_where_it_does(
    rows: tuple[Subscription, ...], said: str
) -> None:
    assert Live((), NOON, now=lambda: NOON).phase(Figures(subscriptions=rows)) == said
