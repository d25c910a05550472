/** How far the ledger is behind the candles: what it says of the account is old then. */

import type { State } from "./state";

/** So many candles behind is old: the last one is always on its way. */
const LATE = { live: 2, replay: 3 };
/** A fast replay is always some candles ahead; what moves is not stale. */
export const STILL_MS = 5_000;

/** The length of the shortest candles that are traded, ms; null where none is known. */
export function shortest(state: State): number | null {
  const trading = state.configurations.filter((one) => one.is_active).map((one) => one.series);
  const lengths = state.series
    .filter(({ series }) => trading.length === 0 || trading.includes(series))
    .map((one) => one.timeframe_ms);
  return lengths.length === 0 ? null : Math.min(...lengths);
}

/** How long something may stay behind the candles before it is old, ms. */
export function patience(lengthMs: number, isRecorded: boolean | null): number {
  return lengthMs * (isRecorded === false ? LATE.live : LATE.replay);
}

/** What the page's own service waits for, as it says it; null where it hears all that it shows. */
export function unheard(state: State): string | null {
  const own = state.health.find((one) => one.service === "studio_svc");
  return own === undefined || own.ready ? null : own.detail;
}

export interface Behind {
  ms: number;
  settled: number;
}

/** The last close that the ledger is known to have settled. */
export function settledAt({ equity, overview }: State): number | null {
  const times = [equity.at(-1)?.[0], overview?.settled_time].filter((at) => typeof at === "number");
  return times.length > 0 ? Math.max(...times) : null;
}

/**
 * How far the ledger is behind, where that is too far; null where it is not, or is not known.
 *
 * @param stillMs - since when it has not moved, by the wall clock.
 */
export function behind(state: State, isRecorded: boolean | null, stillMs: number): Behind | null {
  const settled = settledAt(state);
  const { eventTime } = state;
  if (settled === null || eventTime === null || stillMs < STILL_MS) return null;
  const length = shortest(state);
  if (length === null) return null;
  const ms = eventTime - settled;
  return ms >= patience(length, isRecorded) ? { ms, settled } : null;
}
