/** The heat-map of stored candles as data: its lines, levels and marks. Pure. */

import type { Coverage, CoverageRow, Gap } from "../../api/types";
import { parseSeries } from "../../lib/series";

export const DAY_MS = 86_400_000;
export const ROW = 22;

/** How much of a day is there, least first; a day on which nothing is expected has none. */
export const LEVELS = ["absent", "low", "half", "most", "whole"] as const;
export type Level = (typeof LEVELS)[number];

/** Why something is missing or made up; each has a colour and a shape of its own. */
export const MARKS = ["outage", "missed", "no_trade", "unknown", "synthetic"] as const;
export type Mark = (typeof MARKS)[number];

/** One line of the map: a venue's name or a series. */
export type Line = { y: number } & (
  | { venue: string; row: null }
  | { venue: null; row: CoverageRow; share: number | null; missing: number }
);

export interface Heat {
  days: readonly number[];
  lines: readonly Line[];
  height: number;
  /** Holes by series and day. */
  holes: ReadonlyMap<string, ReadonlyMap<number, readonly Gap[]>>;
  expected: number;
  missing: number;
}

export function heat(coverage: Coverage, gaps: readonly Gap[]): Heat {
  const lines: Line[] = [];
  let expected = 0;
  let missing = 0;
  let venue: string | null = null;
  const add = (line: Omit<Extract<Line, { row: null }>, "y"> | Omit<Extract<Line, { venue: null }>, "y">): void => {
    lines.push({ ...line, y: lines.length * ROW } as Line);
  };
  for (const row of coverage.series) {
    const { exchange } = parseSeries(row.series);
    if (exchange !== venue) add({ venue: exchange, row: null });
    venue = exchange;
    const [all, lost] = [sum(row.expected), sum(row.missing)];
    add({ venue: null, row, share: all ? 1 - lost / all : null, missing: lost });
    expected += all;
    missing += lost;
  }
  return {
    days: coverage.days,
    lines,
    height: lines.length * ROW,
    holes: byDay(gaps),
    expected,
    missing,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function byDay(gaps: readonly Gap[]): Map<string, Map<number, Gap[]>> {
  const found = new Map<string, Map<number, Gap[]>>();
  for (const gap of gaps) {
    if (gap.kind !== "hole") continue;
    const days = found.get(gap.series) ?? new Map<number, Gap[]>();
    found.set(gap.series, days);
    const first = Math.floor(gap.first_open_time / DAY_MS) * DAY_MS;
    for (let day = first; day <= gap.last_open_time; day += DAY_MS) {
      days.set(day, [...(days.get(day) ?? []), gap]);
    }
  }
  return found;
}

export function level(row: CoverageRow, i: number): Level | null {
  const [expected = 0, missing = 0] = [row.expected[i], row.missing[i]];
  const made = row.synthetic[i] ?? 0;
  if (expected === 0) return null;
  const share = 1 - (missing + made) / expected;
  if (share >= 1) return "whole";
  if (share >= 0.9) return "most";
  if (share >= 0.5) return "half";
  return share > 0 ? "low" : "absent";
}

/** What is marked in a cell; a candle that is missing is marked whether its cause is known or not. */
export function marks(heat: Heat, row: CoverageRow, i: number): Mark[] {
  const found = new Set<Mark>();
  if ((row.missing[i] ?? 0) > 0) {
    const open = holesAt(heat, row, i).filter(({ status }) => status === "open" || status === "unrepairable");
    for (const { cause } of open) found.add(markOf(cause));
    if (open.length === 0) found.add("unknown");
  }
  if ((row.synthetic[i] ?? 0) > 0) found.add("synthetic");
  return MARKS.filter((mark) => found.has(mark));
}

function markOf(cause: string | null): Mark {
  if (cause === "outage" || cause === "no_trade") return cause;
  return cause === "missed" || cause === "off_grid" ? "missed" : "unknown";
}

export function holesAt(heat: Heat, row: CoverageRow, i: number): readonly Gap[] {
  const day = heat.days[i];
  return (day !== undefined && heat.holes.get(row.series)?.get(day)) || [];
}
