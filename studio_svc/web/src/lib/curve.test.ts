import { expect, it } from "vitest";

import type { EquityRow } from "../api/types";
import { drawdowns, thin } from "./curve";

const curve = (values: number[], step = 1): EquityRow[] =>
  values.map((value, i) => [i * step, value, 0, 0, 0]);

it("leaves a short curve as it is", () => {
  const points = curve([1, 2, 3]);
  expect(thin(points, 3)).toBe(points);
  expect(thin([], 10)).toEqual([]);
});

it("keeps the first, the last and every extreme, in order, within the limit", () => {
  const values = Array.from({ length: 10_000 }, (_, i) => Math.sin(i / 300));
  values[4_321] = -9;
  values[8_765] = 9;
  const kept = thin(curve(values, 1_800_000), 200);
  expect(kept.length).toBeLessThanOrEqual(200);
  expect(kept[0]?.[0]).toBe(0);
  expect(kept.at(-1)?.[0]).toBe(9_999 * 1_800_000);
  expect(kept.map(([, value]) => value)).toEqual(expect.arrayContaining([-9, 9]));
  const times = kept.map(([at]) => at);
  expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
});

it("is even in time where the points are not", () => {
  const dense = Array.from({ length: 5_000 }, (_, i): EquityRow => [i, i % 7, 0, 0, 0]);
  const sparse = Array.from({ length: 100 }, (_, i): EquityRow => [5_000 + i * 50, i % 5, 0, 0, 0]);
  const kept = thin([...dense, ...sparse], 102);
  const early = kept.filter(([at]) => at < 5_000).length;
  expect(early).toBeGreaterThan(45);
  expect(early).toBeLessThan(56);
});

it("skips stretches in which nothing happened", () => {
  const points: EquityRow[] = [0, 1, 2, 3, 4, 5, 1_000_000].map((at) => [at, at, 0, 0, 0]);
  expect(thin(points, 6).map(([at]) => at)).toEqual([0, 5, 1_000_000]);
});

it("measures the fall from the peak so far", () => {
  expect(drawdowns(curve([100, 120, 60, 90, 150]))).toEqual([0, 0, -50, -25, 0]);
});
