/** The heat-map of stored candles as data: levels, marks, shapes and words. Pure. */

import type { Coverage, CoverageRow, Gap } from "../../api/types";
import { date, fixed, percent } from "../../lib/format";
import { parseSeries } from "../../lib/series";

export const DAY_MS = 86_400_000;
export const ROW = 22;
/** Cells at least this wide stand apart; narrower ones touch. */
const APART = 6;

/** How much of a day is there, least first; a day on which nothing is expected has none. */
export const LEVELS = ["absent", "low", "half", "most", "whole"] as const;
export type Level = (typeof LEVELS)[number];

/** Why something is missing or made up; each has a colour and a shape of its own. */
export const MARKS = ["outage", "missed", "no_trade", "unknown", "synthetic"] as const;
export type Mark = (typeof MARKS)[number];

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

export interface Cursor {
  /** Number of the line; always one with a series. */
  line: number;
  day: number;
}

/** What a cursor stands on, whatever the map's days and lines will be next. */
export interface Place {
  series: string;
  at: number;
}

export function placeOf(map: Heat, { line, day }: Cursor): Place | null {
  const row = map.lines[line]?.row;
  const at = map.days[day];
  return row && at !== undefined ? { series: row.series, at } : null;
}

/** Where a place is in a map; null where it is no longer shown. */
export function located(map: Heat, place: Place | null): Cursor | null {
  if (place === null) return null;
  const line = map.lines.findIndex(({ row }) => row?.series === place.series);
  const day = map.days.indexOf(place.at);
  return line < 0 || day < 0 ? null : { line, day };
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

/** The shapes of one map, a path for each level and each mark, so that style sheets colour them. */
export interface Shapes {
  levels: Record<Level, string>;
  marks: Record<Mark, string>;
}

export function shapes(map: Heat, width: number): Shapes {
  const cells: Record<Level, string[]> = { absent: [], low: [], half: [], most: [], whole: [] };
  const drawn: Record<Mark, string[]> = { outage: [], missed: [], no_trade: [], unknown: [], synthetic: [] };
  const isApart = width >= APART;
  for (const { row, y } of map.lines) {
    if (row === null) continue;
    for (let i = 0; i < map.days.length; i += 1) {
      const at = level(row, i);
      if (at === null) continue;
      let until = i + 1;
      if (!isApart) while (until < map.days.length && level(row, until) === at) until += 1;
      const [left, right] = [edge(i, width), edge(until, width)];
      const w = right - left - (isApart ? 1 : 0);
      cells[at].push(`M${left} ${y + 1}h${w}v${ROW - 2}h-${w}z`);
      for (let cell = i; cell < until; cell += 1) {
        for (const mark of marks(map, row, cell)) {
          drawn[mark].push(shape(mark, edge(cell, width), y, edge(cell + 1, width) - edge(cell, width)));
        }
      }
      i = until - 1;
    }
  }
  const joined = <Name extends string>(parts: Record<Name, string[]>) =>
    Object.fromEntries(Object.entries<string[]>(parts).map(([name, all]) => [name, all.join("")])) as Record<Name, string>;
  return { levels: joined(cells), marks: joined(drawn) };
}

/** Where a day begins, on whole pixels, so that cells are sharp. */
export function edge(day: number, width: number): number {
  return Math.round(day * width);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** A mark in the cell at x, y: each has its own place and shape, so that colour is not needed. */
export function shape(mark: Mark, x: number, y: number, width: number): string {
  const inner = Math.max(width - 1, 2);
  // in a narrow cell it hangs over: what cannot be seen is no mark
  const size = Math.max(5, Math.min(inner, 8));
  const left = round(x + (inner - size) / 2);
  const half = round(size / 2);
  const s = round(size);
  switch (mark) {
    case "outage": // a triangle that points down, at the top
      return `M${left} ${y + 2}h${s}l-${half} 6z`;
    case "missed": // a square at the bottom
      return `M${left} ${y + ROW - 7}h${s}v5h-${s}z`;
    case "no_trade": // a dash in the middle
      return `M${left} ${y + ROW / 2 - 1}h${s}v2h-${s}z`;
    case "unknown": // a rhomb in the middle
      return `M${round(left + half)} ${y + ROW / 2 - 4}l${half} 4l-${half} 4l-${half} -4z`;
    case "synthetic": // a bar over the whole width, at the very bottom
      return `M${round(x)} ${y + ROW - 4}h${round(inner)}v3h-${round(inner)}z`;
  }
}

/** The cell under a point of the drawing; null between the series. */
export function cellAt(map: Heat, x: number, y: number, width: number): Cursor | null {
  const line = Math.floor(y / ROW);
  const day = Math.floor(x / width);
  if (!map.lines[line]?.row || day < 0 || day >= map.days.length) return null;
  return { line, day };
}

/** Where a key leads; null where it is none of ours. Shift with ← or → seeks what is missing. */
export function moved(map: Heat, from: Cursor | null, key: string, isShift: boolean): Cursor | null {
  const first = map.lines.findIndex(({ row }) => row !== null);
  const last = map.days.length - 1;
  if (first < 0 || last < 0) return null;
  const at = from ?? { line: first, day: last + 1 };
  const day = (to: number): Cursor => ({ line: at.line, day: Math.max(0, Math.min(last, to)) });
  switch (key) {
    case "ArrowLeft":
      return isShift ? sought(map, at, -1) : day(at.day - 1);
    case "ArrowRight":
      return isShift ? sought(map, at, 1) : day(from === null ? last : at.day + 1);
    case "Home":
      return day(0);
    case "End":
      return day(last);
    case "ArrowUp":
      return { ...day(at.day), line: nearest(map, at.line, -1) };
    case "ArrowDown":
      return { ...day(at.day), line: from === null ? first : nearest(map, at.line, 1) };
    default:
      return null;
  }
}

function nearest(map: Heat, from: number, step: 1 | -1): number {
  for (let line = from + step; map.lines[line]; line += step) if (map.lines[line]?.row) return line;
  return from;
}

function sought(map: Heat, from: Cursor, step: 1 | -1): Cursor {
  const row = map.lines[from.line]?.row;
  for (let day = from.day + step; row && day >= 0 && day < map.days.length; day += step) {
    if ((row.missing[day] ?? 0) + (row.synthetic[day] ?? 0) > 0) return { line: from.line, day };
  }
  return { line: from.line, day: Math.max(0, Math.min(map.days.length - 1, from.day)) };
}

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
    `${fixed(present, 0)} of ${fixed(expected, 0)} candles (${percent(expected ? (present / expected) * 100 : null, 1)})`,
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

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

export interface Tick {
  day: number;
  text: string;
}

/** Days to name on the axis: as many as have `room` px each, but at least the quarters. */
export function ticks(days: readonly number[], width: number, room = 52): Tick[] {
  const isNamed = [everyDay, everyWeek, everyMonth].find(({ apart }) => apart * width >= room) ?? everyQuarter;
  const found: Tick[] = [];
  days.forEach((at, day) => {
    const when = new Date(at);
    // what begins at the right edge would be cut
    if (!isNamed.at(when) || (days.length - day) * width < room) return;
    const month = MONTHS[when.getUTCMonth()] ?? "";
    const text = when.getUTCDate() === 1 ? `${month} ${when.getUTCFullYear()}` : `${when.getUTCDate()} ${month}`;
    found.push({ day, text });
  });
  return found;
}

/** Which days are named, and how many days are at least between two of them. */
const everyDay = { apart: 1, at: (): boolean => true };
const everyWeek = { apart: 7, at: (when: Date): boolean => [1, 8, 15, 22].includes(when.getUTCDate()) };
const everyMonth = { apart: 28, at: (when: Date): boolean => when.getUTCDate() === 1 };
const everyQuarter = { apart: 90, at: (when: Date): boolean => everyMonth.at(when) && when.getUTCMonth() % 3 === 0 };
