/** The curves of a training as paths. Pure. */

import type { Curves } from "../../api/types";

export interface Extent {
  steps: [number, number];
  values: [number, number];
}

/** What all curves lie in, 0 among the values where `withZero` says so; null where there is none. */
export function extent(curves: Curves, withZero: boolean): Extent | null {
  const steps = curves.seeds.flatMap((one) => one.step);
  if (steps.length === 0) return null;
  const values = [...curves.seeds.flatMap((one) => one.value), ...curves.low, ...curves.high];
  const least = reduced(values, Math.min);
  const most = reduced(values, Math.max);
  const [low, high] = withZero ? [Math.min(0, least), Math.max(0, most)] : [least, most];
  const margin = (high - low || Math.abs(high) || 1) * 0.05;
  return { steps: [0, reduced(steps, Math.max)], values: [low - margin, high + margin] };
}

function reduced(values: readonly number[], by: (a: number, b: number) => number): number {
  return values.reduce((a, b) => by(a, b));
}

type Scale = (value: number) => number;

/** A line through points; of a single one a dot. */
export function line(steps: readonly number[], values: readonly number[], x: Scale, y: Scale): string {
  const drawn = steps.map((step, n) => `${n === 0 ? "M" : "L"}${x(step)} ${y(values[n] ?? 0)}`).join("");
  return steps.length === 1 ? `${drawn}h0` : drawn;
}

/** The area between two lines. */
export function band({ step, low, high }: Pick<Curves, "step" | "low" | "high">, x: Scale, y: Scale): string {
  if (step.length === 0) return "";
  const upper = step.map((one, n) => `${x(one)} ${y(high[n] ?? 0)}`);
  const lower = step.map((one, n) => `${x(one)} ${y(low[n] ?? 0)}`).reverse();
  return `M${[...upper, ...lower].join("L")}Z`;
}

/** Where a seed was best and where it ended, as points of its curve. */
export function marks(seed: Curves["seeds"][number]): { kind: "best" | "ended"; step: number; value: number }[] {
  const { step, value, best_step: best, ended } = seed;
  const at = best === null ? -1 : step.findIndex((one) => one >= best);
  const [last, lastValue] = [step.at(-1), value.at(-1)];
  const found: ReturnType<typeof marks> = [];
  if (at >= 0) found.push({ kind: "best", step: step[at] ?? 0, value: value[at] ?? 0 });
  if (ended !== null && last !== undefined) found.push({ kind: "ended", step: last, value: lastValue ?? 0 });
  return found;
}
