/** The heat-map in words. Pure. */

import { counted, date, fixed, percent } from "../../lib/format";
import { parseSeries } from "../../lib/series";
import type { Cursor } from "./cursor";
import { type Heat, holesAt, type Level, type Mark } from "./heat";

export const LEVEL_WORDS: Record<Level, string> = {
  absent: "none",
  low: "below 50 %",
  half: "50 to 90 %",
  most: "90 to 99.9 %",
  whole: "all",
};
export const MARK_WORDS: Record<Mark, string> = {
  outage: "venue was down",
  missed: "missed by us",
  no_trade: "no trade",
  unknown: "cause not known",
  synthetic: "made up (synthetic)",
};

export interface Told {
  title: string;
  numbers: string;
  sentences: string[];
}

/** A cell in words. */
export function told(map: Heat, { line, day }: Cursor): Told | null {
  const row = map.lines[line]?.row;
  const at = map.days[day];
  if (!row || at === undefined) return null;
  const { exchange, symbol, timeframe } = parseSeries(row.series);
  const [expected = 0, present = 0, missing = 0] = [row.expected[day], row.present[day], row.missing[day]];
  const [zero = 0, made = 0] = [row.zero_volume[day], row.synthetic[day]];
  const numbers = [
    `${fixed(present, 0)} of ${counted(expected, "candle")} (${percent(expected ? (present / expected) * 100 : null, 1)})`,
    ...(missing ? [`${fixed(missing, 0)} missing`] : []),
    ...(made ? [`${fixed(made, 0)} made up`] : []),
    ...(zero ? [`${fixed(zero, 0)} without volume`] : []),
  ];
  const holes = holesAt(map, row, day);
  const sentences = holes.map((gap) => (gap.status === "open" ? gap.sentence : `${gap.sentence} (${gap.status})`));
  if (missing && holes.length === 0) sentences.push("No scan has judged this yet.");
  return {
    title: `${exchange} ${symbol} ${timeframe} · ${date(at)}`,
    numbers: expected ? numbers.join(", ") : "nothing is expected: before the first or after the last candle",
    sentences,
  };
}
