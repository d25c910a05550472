/** The days of a training on a bar: train, validation and test, embargoes between. Pure. */

import type { Part } from "../../api/types";

export type PartName = "train" | "validation" | "test";
export const PARTS: readonly PartName[] = ["train", "validation", "test"];
export type Parts = Record<PartName, Part>;

/** The parts where all of them are told. */
export function partsOf(told: Record<string, Part> | null): Parts | null {
  return told !== null && PARTS.every((name) => told[name] !== undefined) ? (told as Parts) : null;
}

export interface Segment {
  name: PartName | "embargo";
  start: number;
  end: number;
  days: number;
  /** Of the whole, 0 to 1. */
  share: number;
}

const DAY_MS = 86_400_000;

/** The segments, in order; what lies between two parts is embargo. */
export function segments(parts: Parts): Segment[] {
  const [first, last] = [parts.train.start, parts.test.end];
  const whole = last - first;
  if (!(whole > 0)) return [];
  const found: Segment[] = [];
  let until = first;
  for (const name of PARTS) {
    const { start, end, days } = parts[name];
    if (start > until) found.push(segment("embargo", until, start, Math.round((start - until) / DAY_MS), whole));
    found.push(segment(name, start, end, days, whole));
    until = end;
  }
  return found;
}

function segment(name: Segment["name"], start: number, end: number, days: number, whole: number): Segment {
  return { name, start, end, days, share: (end - start) / whole };
}
