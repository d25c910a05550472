/** What scans found wrong, why, and what became of it. */

import { memo, useEffect, useState } from "react";

import { ask, send } from "../../api/client";
import type { Known } from "../../api/known";
import type { Gap, GapDetail, Gaps as GapsAnswer, Tried } from "../../api/types";
import { counted, fixed, time, words } from "../../lib/format";
import { parseSeries } from "../../lib/series";
import { Panel } from "../../ui/Panel";

export const STATUSES = ["open", "repaired", "filled", "unrepairable", "gone"] as const;
const COLUMNS = 5;

const CAUSES: Record<string, string> = {
  outage: "outage",
  no_trade: "no trade",
  missed: "missed",
  off_grid: "shifted",
  unknown: "unknown",
};
const STEPS: Record<string, string> = {
  venue: "asked the venue again",
  finer: "built from a finer timeframe",
  trades: "built from trades",
  synthetic: "filled with synthetic candles",
  none: "nothing to try",
};

function Cause({ gap }: { gap: Gap }) {
  const cause = gap.kind === "hole" ? (gap.cause ?? "unknown") : gap.kind;
  return (
    <>
      <span className={`chip cause ${cause}`}>{CAUSES[cause] ?? words(cause)}</span>
      <small>{gap.kind === "hole" && cause !== "unknown" ? (gap.sure ? "sure" : "likely") : ""}</small>
    </>
  );
}

/** What became of a gap, in few words. */
export function repairText({ status, repaired_by: by, attempts }: Gap): string {
  if (by !== null) return `${words(status)} by ${words(by).replaceAll(",", ", ")}`;
  return status === "open" && attempts > 0 ? `open, tried ${attempts}×` : words(status);
}

function Repair({ gap, isOpen, onToggle }: Row) {
  return (
    <>
      <button
        type="button"
        className={`name repair ${gap.status}`}
        aria-expanded={isOpen}
        onClick={onToggle}
        title="Show what was tried"
      >
        {repairText(gap)}
      </button>
      <small className="wide">
        {gap.settled_at !== null ? time(gap.settled_at) : `found ${time(gap.detected_at)}`}
      </small>
    </>
  );
}

interface Row {
  gap: Gap;
  isOpen: boolean;
  onToggle: () => void;
}

function Line({ gap, isOpen, onToggle }: Row) {
  const { exchange, symbol, timeframe } = parseSeries(gap.series);
  return (
    <>
      <tr>
        <td>
          <b>{symbol}</b> <span className="muted">{timeframe}</span>
          <small>{exchange}</small>
        </td>
        <td>
          {time(gap.first_open_time)}
          <small>
            {counted(gap.candles, "candle")}
          </small>
        </td>
        <td>
          <Cause gap={gap} />
        </td>
        <td className="sentence wide">{why(gap)}</td>
        <td>
          <Repair gap={gap} isOpen={isOpen} onToggle={onToggle} />
        </td>
      </tr>
      <tr className="narrow">
        <td colSpan={COLUMNS}>{why(gap)}</td>
      </tr>
      {isOpen && (
        <tr className="opened">
          <td colSpan={COLUMNS}>
            <Attempts gap={gap} />
          </td>
        </tr>
      )}
    </>
  );
}

/** The sentence without its beginning, which the other columns say already. */
export function why({ sentence }: Gap): string {
  const at = sentence.indexOf(": ", sentence.indexOf(": ") + 2);
  const rest = at > 0 ? sentence.slice(at + 2) : sentence;
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

/** What was tried for one gap; read again whenever something more was. */
function Attempts({ gap }: { gap: Gap }) {
  const { gap_id: id, attempts, status } = gap;
  const [tried, setTried] = useState<readonly Tried[] | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  useEffect(() => {
    let isWanted = true;
    ask<GapDetail>(`gaps/${id}`).then(
      (detail) => isWanted && setTried(detail.tried),
      (error: Error) => isWanted && setFailure(error.message),
    );
    return () => {
      isWanted = false;
    };
  }, [id, attempts, status]);
  return (
    <div className="history">
      <p>{gap.sentence}</p>
      {failure !== null && <p role="alert">{failure}</p>}
      {tried && <TriedList tried={tried} />}
    </div>
  );
}

export function TriedList({ tried }: { tried: readonly Tried[] }) {
  if (tried.length === 0) return <p className="muted">No repair was tried yet.</p>;
  return (
    <ol className="tried">
      {tried.map((one, i) => (
        <li key={i}>
          <span className="muted">{time(one.at)}</span> {STEPS[one.step] ?? words(one.step)}: {one.note}
        </li>
      ))}
    </ol>
  );
}

interface Props {
  found: GapsAnswer | null;
  known: Known;
  onAgain?: () => void;
  status: string;
  onStatus: (status: string) => void;
}

export const Gaps = memo(function Gaps({ found, known, onAgain, status, onStatus }: Props) {
  const [opened, setOpened] = useState<number | null>(null);
  const rows = found?.gaps ?? [];
  const empty = status === "open" ? "No gap is open in what was scanned." : `No gap is ${words(status)}.`;
  return (
    <Panel
      area="gaps"
      title="Gaps"
      note={
        <span className="tools">
          {found?.is_cut && <span>the last {fixed(rows.length, 0)}</span>}
          <select aria-label="Gaps to show" value={status} onChange={(event) => onStatus(event.target.value)}>
            {STATUSES.map((one) => (
              <option key={one} value={one}>
                {words(one)}
              </option>
            ))}
          </select>
          <Scan />
        </span>
      }
      known={known}
      onAgain={onAgain}
      awaited={rows.length ? null : empty}
    >
      <div className="scroll" tabIndex={0} role="region" aria-label="Gaps">
        <table data-testid="gaps">
          <caption className="unseen">What scans found, newest first</caption>
          <thead>
            <tr>
              <th scope="col">Series</th>
              <th scope="col">From, UTC</th>
              <th scope="col" title="Of a hole; whether that is sure or likely">
                Cause
              </th>
              <th scope="col" className="wide">
                Why
              </th>
              <th scope="col">Repair</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((gap) => (
              <Line
                key={gap.gap_id}
                gap={gap}
                isOpen={gap.gap_id === opened}
                onToggle={() => setOpened(gap.gap_id === opened ? null : gap.gap_id)}
              />
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
});

function Scan() {
  const [said, setSaid] = useState<string | null>(null);
  const scan = (): void => {
    setSaid("…");
    send<{ detail: string }>("gap-scans", null).then(
      ({ detail }) => setSaid(detail),
      (error: Error) => setSaid(error.message),
    );
  };
  return (
    <>
      <button type="button" className="button" onClick={scan}>
        Scan now
      </button>
      {said !== null && (
        <span className="said" role="status">
          {said}
        </span>
      )}
    </>
  );
}
