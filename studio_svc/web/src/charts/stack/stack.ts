/** Weights over time as a stack: what each instrument has, cash on top. Pure. */

import type { Weights } from "../../api/types";

export const CASH = "cash";
/** So many colours can be told apart; instruments beyond them share the last one. */
export const COLOURS = 8;

export interface Layer {
  name: string;
  /** 1 to `COLOURS`, by size; 0 is cash. */
  colour: number;
  /** Where it begins and ends at each close, shares of the equity. */
  from: number[];
  to: number[];
}

export interface Span {
  start: number;
  end: number;
  reason: string;
}

export interface Stack {
  times: number[];
  layers: Layer[];
  /** The top of the axis. */
  top: number;
  /** Where the portfolio's own policy did not decide. */
  fallbacks: Span[];
  /** Where another model, or none, decided from then on. */
  switches: { at: number; model: string | null }[];
}

/** Instruments by their mean weight, the greatest first. */
function bySize(vectors: readonly Weights[]): string[] {
  const sums = new Map<string, number>();
  for (const { weights } of vectors) {
    for (const [name, weight] of Object.entries(weights)) sums.set(name, (sums.get(name) ?? 0) + weight);
  }
  return [...sums].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).map(([name]) => name);
}

/** What a vector leaves in cash: nothing where it sums to more than the equity. */
export function cashOf(vector: Weights): number {
  const sum = Object.values(vector.weights).reduce((all, weight) => all + weight, 0);
  return Math.max(0, 1 - sum);
}

/** Stack the vectors, oldest first. */
export function stack(vectors: readonly Weights[]): Stack {
  const floor = vectors.map(() => 0);
  const layers = bySize(vectors).map((name, n): Layer => {
    const from = [...floor];
    vectors.forEach(({ weights }, i) => {
      floor[i] = (floor[i] ?? 0) + (weights[name] ?? 0);
    });
    return { name, colour: Math.min(n + 1, COLOURS), from, to: [...floor] };
  });
  const from = [...floor];
  const to = vectors.map((vector, i) => (floor[i] ?? 0) + cashOf(vector));
  layers.push({ name: CASH, colour: 0, from, to });
  return {
    times: vectors.map((one) => one.close_time),
    layers,
    top: Math.max(1, ...floor),
    fallbacks: fallbackSpans(vectors),
    switches: switchesOf(vectors),
  };
}

function fallbackSpans(vectors: readonly Weights[]): Span[] {
  const spans: Span[] = [];
  vectors.forEach((one, i) => {
    if (one.fallback === null) return;
    const end = vectors[i + 1]?.close_time ?? one.close_time;
    const last = spans.at(-1);
    if (last?.end === one.close_time && last.reason === one.fallback) last.end = end;
    else spans.push({ start: one.close_time, end, reason: one.fallback });
  });
  return spans;
}

function switchesOf(vectors: readonly Weights[]): Stack["switches"] {
  return vectors.slice(1).flatMap((one, i) => {
    const before = vectors[i];
    return before === undefined || before.model_id === one.model_id
      ? []
      : [{ at: one.close_time, model: one.model_id }];
  });
}

/** A layer as a path: a vector binds until the next one, so edges are steps. */
export function pathOf({ from, to }: Layer, xs: readonly number[], y: (value: number) => number): string {
  const first = xs[0];
  if (first === undefined) return "";
  const upper = edge(to, xs, y);
  const lower = edge(from, xs, y).reverse();
  return `M${[...upper, ...lower].map(([x, at]) => `${x} ${at}`).join("L")}Z`;
}

function edge(values: readonly number[], xs: readonly number[], y: (value: number) => number): [number, number][] {
  return xs.flatMap((x, i): [number, number][] => {
    const at = y(values[i] ?? 0);
    const next = xs[i + 1];
    return next === undefined ? [[x, at]] : [[x, at], [next, at]];
  });
}
