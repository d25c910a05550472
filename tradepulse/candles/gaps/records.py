"""What becomes of the gaps that are on record when their series are scanned again.

The same finding stays the same record. One that grew, as at the live edge, is updated. One that
shrank is settled, and its rest is a record of its own that goes on where the old one stood, so that
nobody is asked about it as if it were new.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tradepulse.candles.gaps.finding import Finding, Kind

Status = Literal["open", "repaired", "filled", "unrepairable", "gone"]
STATUSES: tuple[Status, ...] = ("open", "repaired", "filled", "unrepairable", "gone")
STANDING: tuple[Status, ...] = ("open", "filled", "unrepairable")
"""Of gaps that a scan still finds."""
PAUSES_MS = (60_000, 600_000, 3_600_000, 6 * 3_600_000, 24 * 3_600_000)
"""After each try in vain, until the next; after the last of them a gap is given up."""
LONGEST_POSTPONEMENT_MS = 3_600_000
NEVER = 2**62
NOT_TO_REPAIR: frozenset[Kind] = frozenset({"zero_volume"})
"""Told, but nothing is wrong with them."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A finding on record.

    Attributes:
        gap_id: its number.
        finding: what is wrong.
        status: `open` is tried again from `next_try_at` on; `repaired` has real candles, `filled`
            synthetic ones (and may be tried again, too); `unrepairable` stands and is asked about
            no more; `gone` was mended by others, as by a backfill.
        detected_at: when it was found.
        settled_at: when it was no longer open.
        repaired_by: the steps that gave candles, joined by commas.
        attempts: how often it was tried in vain.
        postponed: how often since then nobody could be asked.
        next_try_at: market time, epoch ms.
    """

    gap_id: int
    finding: Finding
    status: Status
    detected_at: datetime
    settled_at: datetime | None = None
    repaired_by: str | None = None
    attempts: int = 0
    postponed: int = 0
    next_try_at: int = 0


@dataclass(frozen=True, slots=True)
class NewGap:
    """A finding to enter, with what it takes over from a record that it is the rest of."""

    finding: Finding
    status: Status = "open"
    attempts: int = 0
    next_try_at: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What a scan changes of the records.

    Attributes:
        new: to be entered.
        judged: by `gap_id`, the same gap with another cause or sentence.
        grown: by `gap_id`, the gap as it is now; it is open again.
        gone: to be settled.
    """

    new: tuple[NewGap, ...]
    judged: tuple[tuple[int, Finding], ...]
    grown: tuple[tuple[int, Finding], ...]
    gone: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tries:
    """What came of all that was tried for a gap at one time.

    Attributes:
        real: candles that it gave.
        made: synthetic ones, this time or before.
        left: slots without a real candle.
        answered: whether the venue said that it has none there.
        no_trades: whether the venue's trades, all of them, show that there was none.
        down: whether the venue could not be asked now.
        possible: whether there was anything to try at all, or will be.
    """

    real: int
    made: int
    left: int
    answered: bool
    no_trades: bool
    down: bool
    possible: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a gap, or of what is left of it, after it was tried."""

    status: Status
    attempts: int
    postponed: int
    next_try_at: int


def judge(gap: Gap, tries: Tries, now: int) -> Verdict:
    """Decide what becomes of what is left of a gap after it was tried at market time `now`.

    A hole for want of trades is settled by the venue's word. Others are tried again, as venues add
    candles after an outage, at growing pauses and not for ever.
    """
    if not tries.left:
        return Verdict("repaired", gap.attempts, gap.postponed, NEVER)
    stays: Status = "filled" if tries.made else "open"
    if tries.down:
        pause = min(PAUSES_MS[0] * 2 ** min(gap.postponed, 10), LONGEST_POSTPONEMENT_MS)
        return Verdict(stays, gap.attempts, gap.postponed + 1, now + pause)
    attempts = gap.attempts + 1
    settled = tries.no_trades or (tries.answered and gap.finding.cause == "no_trade")
    if settled or not tries.possible or attempts > len(PAUSES_MS):
        return Verdict("filled" if tries.made else "unrepairable", attempts, 0, NEVER)
    return Verdict(stays, attempts, 0, now + PAUSES_MS[attempts - 1])


def reconcile(
    standing: Iterable[Gap], found: Iterable[Finding], *, rejudge: bool = True
) -> Changes:
    """Compare the records with what a scan found in the same series and range.

    Args:
        standing: records of the series whose candles lie in the scanned range.
        found: all that was found there.
        rejudge: whether the causes were judged on all evidence. Where not, a hole that is on record
            keeps the cause it has.
    """
    new: list[NewGap] = []
    judged: list[tuple[int, Finding]] = []
    grown: list[tuple[int, Finding]] = []
    gone: set[int] = set()
    kept: set[int] = set()
    records = _grouped(standing)
    for finding, near in _neighbours(records, found):
        own = _same_or_part(finding, near)
        gone |= {gap.gap_id for gap in near} - {own.gap_id if own else -1}
        if own is None:
            new.append(_rest(finding, near))
            continue
        kept.add(own.gap_id)
        if (own.finding.first, own.finding.last) != (finding.first, finding.last):
            grown.append((own.gap_id, finding))
        elif rejudge and _exists(finding) and own.status != "open" and not _exists(own.finding):
            # what was given up is known to be there after all
            grown.append((own.gap_id, finding))
        elif rejudge and own.status == "open" and own.finding != finding:
            judged.append((own.gap_id, finding))
    for gaps in records.values():
        gone |= {gap.gap_id for gap in gaps if gap.gap_id not in kept and _may_go(gap)}
    return Changes(tuple(new), tuple(judged), tuple(grown), tuple(sorted(gone - kept)))


def _grouped(gaps: Iterable[Gap]) -> dict[tuple[str, Kind], list[Gap]]:
    groups: dict[tuple[str, Kind], list[Gap]] = {}
    for gap in gaps:
        groups.setdefault((gap.finding.series, gap.finding.kind), []).append(gap)
    for group in groups.values():
        group.sort(key=lambda gap: gap.finding.first)
    return groups


def _neighbours(
    records: dict[tuple[str, Kind], list[Gap]], found: Iterable[Finding]
) -> Iterator[tuple[Finding, list[Gap]]]:
    """Yield every finding with the records of its kind that share candles with it."""
    at: dict[tuple[str, Kind], int] = {}
    for finding in sorted(found, key=lambda f: (f.series, f.kind, f.first)):
        key = finding.series, finding.kind
        gaps, lo = records.get(key, []), at.get(key, 0)
        # records of one kind do not overlap, so what ends before this finding ends before the next
        while lo < len(gaps) and gaps[lo].finding.last < finding.first:
            lo += 1
        at[key] = lo
        hi = lo
        while hi < len(gaps) and gaps[hi].finding.first <= finding.last:
            hi += 1
        yield finding, gaps[lo:hi]


def _same_or_part(finding: Finding, near: Sequence[Gap]) -> Gap | None:
    """Return the record that the finding is, or has grown from."""
    return next(
        (
            gap
            for gap in near
            if finding.first <= gap.finding.first and gap.finding.last <= finding.last
        ),
        None,
    )


def _rest(finding: Finding, near: Sequence[Gap]) -> NewGap:
    if finding.kind in NOT_TO_REPAIR:
        return NewGap(finding, "unrepairable")
    if not near:
        return NewGap(finding)
    # a rest of one that was filled is open: what came in between may change what it is filled with
    given_up = all(gap.status == "unrepairable" for gap in near) and not _exists(finding)
    return NewGap(
        finding,
        "unrepairable" if given_up else "open",
        max(gap.attempts for gap in near),
        max(gap.next_try_at for gap in near),
    )


def _exists(finding: Finding) -> bool:
    """Tell whether the missing candles are known to exist somewhere."""
    return finding.cause == "missed"


def _may_go(gap: Gap) -> bool:
    # a candle that was stored unfinished stays doubtful when its time has passed
    return gap.finding.kind != "unfinished"
