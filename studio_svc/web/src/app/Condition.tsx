/** What is wrong with what is shown as a whole: no connection, or a ledger that does not follow. */

import { useEffect, useState } from "react";

import type { Health } from "../api/types";
import { span, time } from "../lib/format";
import { type Behind, behind, settledAt } from "../live/behind";
import { recorded, type State } from "../live/state";

/** The wall clock, once a second while somebody needs it. */
export function useNow(isNeeded: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!isNeeded) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [isNeeded]);
  return now;
}

/** How far the ledger is behind, once it stands still; null where it follows. */
export function useBehind(state: State): Behind | null {
  const settled = settledAt(state);
  const [moved, setMoved] = useState({ settled, at: Date.now() });
  const now = useNow(settled !== null);
  useEffect(() => setMoved({ settled, at: Date.now() }), [settled]);
  return moved.settled === settled ? behind(state, recorded(state), now - moved.at) : null;
}

const clock = (ms: number): string => new Date(ms).toISOString().slice(11, 19);

/** `no connection since 12:03:10, trying again in 4 s`. */
export function lostText(lostAt: number, retryAt: number | null, now: number): string {
  const seconds = retryAt === null ? 0 : Math.ceil((retryAt - now) / 1_000);
  const next = seconds > 0 ? `trying again in ${seconds} s` : "trying again";
  return `No connection since ${clock(lostAt)} UTC, ${next}. What is shown is as old as that.`;
}

export function Lost({ state, onAgain }: { state: State; onAgain: () => void }) {
  const { connection, lostAt, retryAt } = state;
  const isLost = connection === "reconnecting" && lostAt !== null;
  const now = useNow(isLost);
  if (!isLost) return null;
  return (
    <p className="alarm" role="status" data-testid="lost">
      {lostText(lostAt, retryAt, now)}{" "}
      <button type="button" className="quiet" onClick={onAgain}>
        try now
      </button>
    </p>
  );
}

export function Unheard({ waits }: { waits: string | null }) {
  if (waits === null) return null;
  return (
    <p className="alarm" role="status" data-testid="unheard">
      This page&apos;s service is {waits}: what is shown is what it knew before, and may have changed since.
    </p>
  );
}

export function Late({ late }: { late: Behind | null }) {
  if (late === null) return null;
  return (
    <p className="alarm" role="status" data-testid="behind">
      The account&apos;s figures are {span(late.ms)} behind the candles: the executor has settled{" "}
      {time(late.settled)} UTC and does not go on. See whether executor_svc is ready.
    </p>
  );
}

/** What a service cannot do although it is ready, as to follow a market that does not answer. */
export function Troubled({ health }: { health: readonly Health[] }) {
  return health.map(({ service, trouble }) =>
    trouble === null ? null : (
      <p key={service} className="alarm" role="status" data-testid="trouble">
        {trouble}
      </p>
    ),
  );
}
