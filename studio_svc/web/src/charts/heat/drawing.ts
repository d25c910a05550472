/** The shapes of the heat-map, as paths, and the days that its axis names. Pure. */

import { type Heat, type Level, level, type Mark, marks, ROW } from "./heat";

/** Cells at least this wide stand apart; narrower ones touch. */
const APART = 6;

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
