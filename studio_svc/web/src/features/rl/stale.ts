/** Whether the weights follow the candles. */

import { useEffect, useState } from "react";

import { span, time } from "../../lib/format";
import { patience, STILL_MS } from "../../live/behind";

interface Told {
  /** The close of the last vector. */
  closed: number | null;
  eventTime: number | null;
  lengthMs: number | null;
  isRecorded: boolean | null;
  /** Since when no vector came, by the wall clock. */
  stillMs: number;
}

/** Why the weights are old; null where they are not, or where that is not known. */
export function staleText({ closed, eventTime, lengthMs, isRecorded, stillMs }: Told): string | null {
  if (closed === null || eventTime === null || lengthMs === null || stillMs < STILL_MS) return null;
  const ms = eventTime - closed;
  if (ms < patience(lengthMs, isRecorded)) return null;
  return `${span(ms)} behind the candles: the last weights are those of ${time(closed)} UTC. See whether rl_svc is ready.`;
}

/** How long a value has stayed as it is, ms by the wall clock. */
export function useStill(value: number | null): number {
  const [moved, setMoved] = useState({ value, at: Date.now() });
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => setMoved({ value, at: Date.now() }), [value]);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return moved.value === value ? Math.max(0, now - moved.at) : 0;
}
