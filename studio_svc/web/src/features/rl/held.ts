/** What the account holds beside what the weights allow. Pure. */

import type { Position, Weights } from "../../api/types";
import { cashOf } from "../../charts/stack/stack";

export interface Line {
  instrument: string;
  target: number | null;
  /** Notional over equity, below 0 where it is short; null while that is not known. */
  held: number | null;
  isMissing: boolean;
}

function instrumentOf(series: string): string {
  return series.split(":").slice(0, 2).join(":");
}

/** Exposure by instrument as shares of the equity; null where a price or the equity is not known. */
export function exposures(positions: readonly Position[], equity: number | null): Map<string, number> | null {
  if (equity === null || !(equity > 0)) return null;
  const found = new Map<string, number>();
  for (const { series, side, quantity, last_price: price } of positions) {
    if (price === null) return null;
    const share = ((side === "short" ? -1 : 1) * Number(quantity) * Number(price)) / equity;
    found.set(instrumentOf(series), (found.get(instrumentOf(series)) ?? 0) + share);
  }
  return found;
}

/** Target beside held: by size of the target, then what is held without one, what is missing last. */
export function lines(vector: Weights, held: Map<string, number> | null): Line[] {
  const named = Object.entries(vector.weights).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const of = (instrument: string): number | null => (held === null ? null : (held.get(instrument) ?? 0));
  const found: Line[] = named.map(([instrument, target]) => ({
    instrument,
    target,
    held: of(instrument),
    isMissing: vector.missing.includes(instrument),
  }));
  const known = new Set(named.map(([instrument]) => instrument));
  for (const instrument of held?.keys() ?? []) {
    if (!known.has(instrument) && !vector.missing.includes(instrument)) {
      found.push({ instrument, target: null, held: of(instrument), isMissing: false });
    }
  }
  for (const instrument of vector.missing) {
    if (!known.has(instrument)) found.push({ instrument, target: null, held: of(instrument), isMissing: true });
  }
  return found;
}

/** Cash: what the weights leave, and what is not held. */
export function cashLine(vector: Weights, held: Map<string, number> | null): { target: number; held: number | null } {
  const used = held === null ? null : [...held.values()].reduce((sum, one) => sum + Math.abs(one), 0);
  return { target: cashOf(vector), held: used === null ? null : 1 - used };
}
