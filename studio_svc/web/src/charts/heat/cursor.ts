/** Pointing at the heat-map, by mouse and by keys. Pure. */

import { type Heat, ROW } from "./heat";

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
