import { expect, it } from "vitest";

import type { Curves } from "../../api/types";
import { roundValues, scale, times } from "../axis";
import { nearest, stepped } from "../useChart";
import { readout, stepText } from "./SeedCurves";
import { band, extent, line, marks } from "./seeds";

const seed = { seed: 1, step: [10, 20, 30], value: [-2, 4, 1], best_step: 20, ended: "no_gain" };
const curves: Curves = {
  metric: "m", metrics: ["m"], seeds: [seed], step: [10, 30], iqm: [0, 1], low: [-3, 0.5], high: [1, 2],
};
const same = (value: number): number => value;

it("has room for every seed and the band, and for 0 where that means something", () => {
  expect(extent(curves, true)).toEqual({ steps: [0, 30], values: [-3.35, 4.35] });
  const above = { ...curves, seeds: [{ ...seed, value: [2, 4, 3] }], low: [2, 2], high: [3, 3] };
  expect(extent(above, false)?.values).toEqual([1.9, 4.1]);
  expect(extent(above, true)?.values).toEqual([-0.2, 4.2]);
  expect(extent({ ...curves, seeds: [] }, true)).toBeNull();
});

it("draws lines and bands", () => {
  expect(line([1, 2], [3, 4], same, same)).toBe("M1 3L2 4");
  expect([line([1], [3], same, same), line([], [], same, same)]).toEqual(["M1 3h0", ""]);
  expect(band(curves, same, same)).toBe("M10 1L30 2L30 0.5L10 -3Z");
  expect(band({ step: [], low: [], high: [] }, same, same)).toBe("");
});

it("marks where a seed was best and where it ended", () => {
  expect(marks(seed)).toEqual([
    { kind: "best", step: 20, value: 4 },
    { kind: "ended", step: 30, value: 1 },
  ]);
  expect(marks({ ...seed, best_step: null, ended: null })).toEqual([]);
  expect(marks({ ...seed, best_step: 15, ended: null })[0]?.step).toBe(20);
});

it("says what is pointed at", () => {
  const text = (value: number): string => `${value}`;
  expect(readout(curves, 28, text)).toBe("after 30 steps: 1, between 0.5 and 2 (1 seed)");
  expect(readout({ ...curves, step: [] }, 20, text)).toBe("after 20 steps: 4");
  expect([900, 16_384, 1_000_000, 1_250_000].map(stepText)).toEqual(["900", "16 k", "1 M", "1.25 M"]);
  expect([nearest([0, 10, 20], 14), nearest([], 1)]).toEqual([1, null]);
  const keys = ["ArrowLeft", "ArrowRight", "Home", "End", "a"];
  expect(keys.map((key) => stepped(3, 5, key, false))).toEqual([2, 4, 0, 4, null]);
  expect([stepped(null, 5, "ArrowLeft", false), stepped(3, 50, "ArrowRight", true), stepped(0, 0, "End", false)]).toEqual([3, 23, null]);
});

it("names round values and times", () => {
  expect(scale([0, 10], [100, 0])(2.5)).toBe(75);
  expect(scale([3, 3], [5, 9])(3)).toBe(5);
  expect(roundValues([-3.35, 4.35], 4)).toEqual([-2, 0, 2, 4]);
  expect(roundValues([0, 1], 5)).toEqual([0, 0.2, 0.4, 0.6000000000000001, 0.8, 1]);
  expect(roundValues([2, 2], 4)).toEqual([2]);
  const day = 86_400_000;
  expect(times(0, day, 4).map((one) => one.text)).toEqual(["1 Jan", "06:00", "12:00", "18:00", "2 Jan"]);
  expect(times(0, 30 * day, 3).map((one) => one.text)).toEqual(["1 Jan", "11 Jan", "21 Jan", "31 Jan"]);
  expect(times(day, day, 3)).toEqual([{ at: day, text: "2 Jan" }]);
});
