import { expect, it } from "vitest";

import type { Weights } from "../../api/types";
import { cashOf, pathOf, stack } from "./stack";

const vector = (at: number, weights: Record<string, number>, fields: Partial<Weights> = {}): Weights => ({
  portfolio: "main", close_time: at, policy: "p", weights, missing: [], budget: 1, model_id: null, fallback: null, ...fields,
});

it("stacks the largest first, and cash on top up to the whole", () => {
  const { layers, top, times } = stack([vector(1, { a: 0.1, b: 0.5 }), vector(2, { b: 0.25 })]);
  expect(times).toEqual([1, 2]);
  expect(top).toBe(1);
  expect(layers.map((one) => [one.name, one.colour])).toEqual([["b", 1], ["a", 2], ["cash", 0]]);
  expect(layers.map((one) => one.from)).toEqual([[0, 0], [0.5, 0.25], [0.6, 0.25]]);
  expect(layers.map((one) => one.to)).toEqual([[0.5, 0.25], [0.6, 0.25], [1, 1]]);
});

it("has no cash where a budget is used beyond the equity", () => {
  const { layers, top } = stack([vector(1, { a: 0.9, b: 0.8 }, { budget: 2 })]);
  expect(top).toBeCloseTo(1.7);
  expect(cashOf(vector(1, { a: 0.9, b: 0.8 }))).toBe(0);
  expect(layers.at(-1)).toMatchObject({ name: "cash", from: [1.7000000000000002], to: [1.7000000000000002] });
});

it("marks spans of the fallback, and where another model decided", () => {
  const told = [null, "sum", "sum", "history", null, "sum"].map((fallback, n) => vector(n, {}, { fallback }));
  expect(stack(told).fallbacks).toEqual([
    { start: 1, end: 3, reason: "sum" },
    { start: 3, end: 4, reason: "history" },
    { start: 5, end: 5, reason: "sum" },
  ]);
  const models = [null, null, "x", "x", "y", null].map((model_id, n) => vector(n, {}, { model_id }));
  expect(stack(models).switches).toEqual([
    { at: 2, model: "x" },
    { at: 4, model: "y" },
    { at: 5, model: null },
  ]);
});

it("draws steps: a vector binds until the next", () => {
  const { layers } = stack([vector(0, { a: 0.5 }), vector(1, { a: 1 })]);
  const [a] = layers;
  expect(a && pathOf(a, [0, 10], (value) => 100 - 100 * value)).toBe("M0 50L10 50L10 0L10 100L10 100L0 100Z");
  expect(a && pathOf(a, [], (value) => value)).toBe("");
  expect(stack([])).toMatchObject({ times: [], top: 1, fallbacks: [], switches: [] });
});
