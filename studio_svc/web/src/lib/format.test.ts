import { describe, expect, it } from "vitest";

import {
  counted,
  date,
  fixed,
  percent,
  price,
  quantity,
  shortTime,
  signed,
  signedPercent,
  span,
  time,
  tone,
} from "./format";

describe("numbers", () => {
  it("count in right grammar", () => {
    expect([0, 1, 2, 1234].map((n) => counted(n, "trade"))).toEqual(["0 trades", "1 trade", "2 trades", "1,234 trades"]);
    expect([1, 2].map((n) => counted(n, "job waits", "jobs wait"))).toEqual(["1 job waits", "2 jobs wait"]);
    expect(counted(null, "trial")).toBe("– trials");
  });

  it("are grouped by thousands and cut to their digits", () => {
    expect(fixed(1234567.891, 2)).toBe("1,234,567.89");
    expect(fixed(999, 0)).toBe("999");
    expect(fixed(-1000, 1)).toBe("−1,000.0");
    expect(fixed(0.0000001, 2)).toBe("0.00");
    expect(fixed(-0.0000001, 2)).toBe("0.00");
  });

  it("that are not there are a dash", () => {
    for (const nothing of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(fixed(nothing, 2)).toBe("–");
      expect(percent(nothing)).toBe("–");
      expect(signedPercent(nothing)).toBe("–");
    }
    expect(price(null)).toBe("–");
    expect(time(null)).toBe("–");
    expect(quantity("x")).toBe("–");
  });

  it("carry their sign where it matters", () => {
    expect(signed(2.5, 1)).toBe("+2.5");
    expect(signed(-2.5, 1)).toBe("−2.5");
    expect(signed(0.001, 1)).toBe("0.0");
    expect(signedPercent(1)).toBe("+1.00 %");
    expect([tone(1), tone(-1), tone(0), tone(null), tone(Number.NaN)]).toEqual([
      "up", "down", "flat", "flat", "flat",
    ]);
  });

  it("as prices have the digits of their size", () => {
    expect(price(10_342.5)).toBe("10,342.50");
    expect(price("1.23456")).toBe("1.2346");
    expect(price(0.0123456)).toBe("0.012346");
    expect(price(0)).toBe("0.00");
  });

  it("as quantities have no zeros at the end", () => {
    expect(quantity("0.20090000")).toBe("0.2009");
    expect(quantity(10)).toBe("10");
    expect(quantity(1200)).toBe("1,200");
    expect(quantity("0.00001234")).toBe("0.00001234");
    expect(quantity("0.000000000012")).toBe("0.000000000012");
    expect(price(1.5e-10)).toBe("0.00000000015000");
    expect(quantity(0)).toBe("0");
  });
});

it("times are UTC, whatever the browser's zone", () => {
  expect(time(1_519_864_200_000)).toBe("2018-03-01 00:30");
  expect(shortTime(1_519_864_200_000)).toBe("03-01 00:30");
});

it("lengths of time have one unit", () => {
  expect([40_000, 90_000, 3_600_000, 5_400_000, 2.5 * 86_400_000, 0].map(span)).toEqual([
    "40 s",
    "1.5 min",
    "1 h",
    "1.5 h",
    "2.5 d",
    "0 s",
  ]);
  expect(span(null)).toBe("–");
  expect([date(1_519_864_200_000), date(null)]).toEqual(["2018-03-01", "–"]);
});
