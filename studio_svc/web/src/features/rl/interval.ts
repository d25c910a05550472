/** Where the intervals of differences lie on a common bar. Pure. */

import type { Compared } from "./report";

export interface Bar {
  /** Percent of the bar's width: where it begins, how wide it is, what was found. */
  from: number;
  width: number;
  at: number;
}

/** The bars from the sure excess to the found one; `zero` is where no difference is. */
export function intervals(compared: readonly Pick<Compared, "excess_pct" | "lower_pct">[]): { zero: number; bars: Bar[] } {
  const ends = compared.flatMap((one) => [one.excess_pct, one.lower_pct]).filter(Number.isFinite);
  const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const width = high - low || 1;
  const place = (value: number): number => Math.round(((Math.max(low, Math.min(high, value)) - low) / width) * 10_000) / 100;
  return {
    zero: place(0),
    bars: compared.map(({ excess_pct: found, lower_pct: sure }) => ({
      from: place(Math.min(sure, found)),
      width: Math.round((place(Math.max(sure, found)) - place(Math.min(sure, found))) * 100) / 100,
      at: place(found),
    })),
  };
}
