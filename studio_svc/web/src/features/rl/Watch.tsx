/** Drift: whether a model still sees what it was trained on, and still earns. */

import { type Fetched, useFetched } from "../../api/fetched";
import type { Drift as DriftAnswer, DriftDay } from "../../api/types";
import { date, fixed, percent, words } from "../../lib/format";
import { Failed } from "../../ui/Panel";

const NOT_FOUND = 404;

/** The feature whose distribution moved furthest. */
export function worstPsi({ psi }: Pick<DriftDay, "psi">): { feature: string; value: number } | null {
  return Object.entries(psi).reduce<{ feature: string; value: number } | null>(
    (worst, [feature, value]) => (worst === null || value > worst.value ? { feature, value } : worst),
    null,
  );
}

/** The last day on which something was measured. */
export function lastDay(drift: DriftAnswer): DriftDay | null {
  return [...drift.days].reverse().find((one) => one.clipped !== null || one.evidence !== null) ?? null;
}

const FRESH_MS = 5_000;

/** What the watch found about a model on the last thirty days. */
export function WatchOf({ id, version }: { id: string; version: string }) {
  return <Watch drift={useFetched<DriftAnswer>(`rl/models/${id}/drift?days=30`, version, FRESH_MS)} />;
}

export function Watch({ drift }: { drift: Fetched<DriftAnswer> }) {
  const { answer, known, status } = drift;
  if (known.state === "failed" && status !== NOT_FOUND) return <Failed reason={known.reason} onAgain={drift.again} />;
  const last = answer === null ? null : lastDay(answer);
  if (known.state === "loading" && answer === null) return <p className="muted">…</p>;
  if (answer === null || last === null) return <p className="muted">Not measured.</p>;
  return (
    <>
      {answer.warnings.map((warning) => (
        <p key={warning} className="warning">
          {warning}
        </p>
      ))}
      <dl className="facts" data-testid="drift">
        <dt>Observations out of range</dt>
        <dd>{last.clipped === null ? "not measured" : percent(last.clipped * 100)}</dd>
        <dt title="Population stability index against training; a warning tells where it is more than training itself had">
          Stability, worst feature
        </dt>
        <dd>
          <Psi day={last} />
        </dd>
        <dt title="What somebody has made of 1 by betting that it does worse than equal weights; at its bound it is retired">
          Evidence of harm
        </dt>
        <dd>
          <Evidence day={last} />
        </dd>
        <dt>As of</dt>
        <dd>{date(last.day)}</dd>
      </dl>
    </>
  );
}

function Psi({ day }: { day: DriftDay }) {
  const worst = worstPsi(day);
  if (worst === null) return <>not measured</>;
  return (
    <>
      {fixed(worst.value, 3)} <span className="muted">{words(worst.feature)}</span>
    </>
  );
}

/** How far evidence is on its way from 1 to its bound, 0 to 1: it grows by factors. */
export function shareOfBound(evidence: number, bound: number): number {
  if (!(bound > 1) || !(evidence > 1)) return 0;
  return Math.min(1, Math.log(evidence) / Math.log(bound));
}

function Evidence({ day: { evidence, bound } }: { day: DriftDay }) {
  if (evidence === null) return <>not measured</>;
  const share = shareOfBound(evidence, bound);
  return (
    <span className="evidence">
      <meter min={0} max={1} value={share} aria-label="Evidence of its bound" />
      {fixed(evidence, 2)} of {fixed(bound, 2)}
    </span>
  );
}
