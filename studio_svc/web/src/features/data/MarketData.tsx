/** The page of what is stored: subscriptions, coverage, gaps. */

import { useState } from "react";

import { useFetched } from "../../api/fetched";
import type { Coverage, Gaps as GapsAnswer, Venue } from "../../api/types";
import { DAY_MS } from "../../charts/heat/heat";
import { counted, date } from "../../lib/format";
import { isCut, known, type State } from "../../live/state";
import { Failed, Panel } from "../../ui/Panel";
import { CoverageMap } from "./Coverage";
import { Gaps } from "./Gaps";
import { Subscriptions } from "./Subscriptions";

const RANGES = [30, 90, 365] as const;
const SHOWN_GAPS = 200;
/** The most that the API gives at once. */
const MARKED_GAPS = 1_000;
/** However often something changes, it is not asked for more often. */
const FRESH_MS = 5_000;

export interface Range {
  days: number;
  /** How many ranges before the newest. */
  back: number;
}

/** The days that a range shows, ms: `[start, end)`; null before any candle is known. */
export function bounds(until: number | null, { days, back }: Range): { start: number; end: number } | null {
  if (until === null) return null;
  const end = Math.ceil(until / DAY_MS) * DAY_MS - back * days * DAY_MS;
  return { start: Math.max(0, end - days * DAY_MS), end };
}

interface Props {
  state: State;
  isRecorded: boolean | null;
}

export function MarketData({ state, isRecorded }: Props) {
  const [range, setRange] = useState<Range>({ days: 90, back: 0 });
  const [status, setStatus] = useState<string>("open");
  const { marketData, subscriptions, connection } = state;
  const version = `${connection === "live"} ${marketData?.version ?? ""}`;
  const shown = bounds(marketData?.until ?? null, range);
  const query = shown && `start=${shown.start}&end=${shown.end}`;

  const venues = useFetched<Venue[]>("venues", "", FRESH_MS);
  const coverage = useFetched<Coverage>(query && `coverage?${query}`, version, FRESH_MS);
  const marked = useFetched<GapsAnswer>(
    query && `gaps?kind=hole&limit=${MARKED_GAPS}&${query}`,
    version,
    FRESH_MS,
  );
  const listed = `gaps?status=${status}&limit=${SHOWN_GAPS}`;
  const gaps = useFetched<GapsAnswer>(listed, version, FRESH_MS);
  // before it is known what is stored, nothing is said of it
  const stored = known(state, "marketData");

  return (
    <main className={isCut(state) ? "market cut" : "market"}>
      <Panel
        area="coverage"
        title="Stored candles"
        note={<RangePicker range={range} shown={shown} onPick={setRange} />}
        known={shown ? coverage.known : stored}
        onAgain={shown ? coverage.again : undefined}
        awaited={
          coverage.answer?.series.length
            ? null
            : shown
              ? "No candle is stored in this range."
              : "No candle is stored yet."
        }
      >
        {coverage.answer && <CoverageMap coverage={coverage.answer} gaps={marked.answer?.gaps ?? NONE} />}
        {marked.known.state === "failed" && (
          <Failed reason={`the causes of gaps: ${marked.known.reason}`} onAgain={marked.again} />
        )}
        {marked.answer?.is_cut && (
          <p className="foot">
            Only the last {counted(marked.answer.gaps.length, "gap is", "gaps are")} marked with their cause; take a shorter range
            to see all.
          </p>
        )}
      </Panel>
      <Gaps
        // those of another state are not the answer
        found={gaps.of === listed ? gaps.answer : null}
        known={gaps.known}
        onAgain={gaps.again}
        status={status}
        onStatus={setStatus}
      />
      <Subscriptions
        subscriptions={subscriptions}
        known={known(state, "subscriptions")}
        venues={venues.answer ?? NO_VENUES}
        isRecorded={isRecorded}
      />
    </main>
  );
}

const NONE: GapsAnswer["gaps"] = [];
const NO_VENUES: Venue[] = [];

function RangePicker({
  range,
  shown,
  onPick,
}: {
  range: Range;
  shown: { start: number; end: number } | null;
  onPick: (range: Range) => void;
}) {
  return (
    <span className="tools">
      {shown && (
        <span className="range" data-testid="coverage-range">
          {date(shown.start)} to {date(shown.end - 1)}
        </span>
      )}
      <span className="picker" role="group" aria-label="Range">
        <button
          type="button"
          aria-label="Earlier"
          title="Earlier"
          disabled={!shown || shown.start === 0}
          onClick={() => onPick({ ...range, back: range.back + 1 })}
        >
          ←
        </button>
        {RANGES.map((days) => (
          <button
            key={days}
            type="button"
            aria-pressed={days === range.days}
            onClick={() => onPick({ days, back: 0 })}
          >
            {days} d
          </button>
        ))}
        <button
          type="button"
          aria-label="Later"
          title="Later"
          disabled={range.back === 0}
          onClick={() => onPick({ ...range, back: range.back - 1 })}
        >
          →
        </button>
      </span>
    </span>
  );
}
