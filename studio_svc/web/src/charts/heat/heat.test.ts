import { describe, expect, it } from "vitest";

import { gap } from "../../api/fixtures";
import type { Coverage, CoverageRow } from "../../api/types";
import { cellAt, located, moved, placeOf } from "./cursor";
import { edge, shape, shapes, ticks } from "./drawing";
import { DAY_MS, heat, level, MARKS, marks, ROW } from "./heat";
import { told } from "./words";

const DAYS = [0, 1, 2, 3].map((day) => day * DAY_MS);
const row = (series: string, fields: Partial<CoverageRow> = {}): CoverageRow => ({
  series,
  expected: [0, 48, 48, 48],
  present: [0, 48, 40, 48],
  missing: [0, 0, 8, 0],
  zero_volume: [0, 0, 3, 0],
  synthetic: [0, 0, 0, 0],
  ...fields,
});
const BTC = "kraken:BTC/USD:30m";
const coverage: Coverage = {
  days: DAYS,
  series: [
    row("binanceus:BTC/USD:30m", { missing: [0, 0, 0, 0], present: [0, 48, 48, 48] }),
    row(BTC),
    row("kraken:ETH/USD:30m", { missing: [0, 0, 0, 0], present: [0, 48, 48, 40], synthetic: [0, 0, 0, 8] }),
  ],
};
const hole = gap(1, { series: BTC, first_open_time: 2 * DAY_MS + 1, last_open_time: 2 * DAY_MS + 9, candles: 8 });
const map = heat(coverage, [hole]);
const [, , , btc, eth] = map.lines;

describe("the map", () => {
  it("has a line for each venue and each series", () => {
    expect(map.lines.map((line) => line.venue ?? line.row?.series)).toEqual([
      "binanceus",
      "binanceus:BTC/USD:30m",
      "kraken",
      BTC,
      "kraken:ETH/USD:30m",
    ]);
    expect(map.lines.map(({ y }) => y)).toEqual([0, 1, 2, 3, 4].map((n) => n * ROW));
    expect(map).toMatchObject({ height: 5 * ROW, expected: 9 * 48, missing: 8 });
    expect(btc).toMatchObject({ missing: 8, share: 1 - 8 / 144 });
  });

  it.each([
    [48, 0, "whole"],
    [48, 1, "most"],
    [48, 8, "half"],
    [48, 30, "low"],
    [48, 48, "absent"],
    [0, 0, null],
  ])("%i expected and %i missing is %s", (expected, missing, named) => {
    const one = row(BTC, { expected: [expected], missing: [missing], synthetic: [0] });
    expect(level(one, 0)).toBe(named);
  });

  it("takes what is made up for absent", () => {
    expect(level(row(BTC, { expected: [48], missing: [0], synthetic: [48] }), 0)).toBe("absent");
  });

  it("marks why something is missing", () => {
    if (!btc?.row || !eth?.row) throw new Error("no rows");
    expect(marks(map, btc.row, 1)).toEqual([]);
    expect(marks(map, btc.row, 2)).toEqual(["outage"]);
    expect(marks(map, eth.row, 3)).toEqual(["synthetic"]);
    const others = [gap(2, { ...hole, cause: "no_trade" }), gap(3, { ...hole, cause: "off_grid" }), hole];
    expect(marks(heat(coverage, others), btc.row, 2)).toEqual(["outage", "missed", "no_trade"]);
    // no scan yet, or one that knows only of what was mended since
    expect(marks(heat(coverage, []), btc.row, 2)).toEqual(["unknown"]);
    expect(marks(heat(coverage, [{ ...hole, status: "repaired" }]), btc.row, 2)).toEqual(["unknown"]);
  });

  it("knows a hole on each of its days", () => {
    const long = gap(4, { series: BTC, first_open_time: DAY_MS + 5, last_open_time: 3 * DAY_MS });
    const found = heat(coverage, [long, gap(5, { series: BTC, kind: "zero_volume" })]);
    expect([...(found.holes.get(BTC)?.keys() ?? [])]).toEqual([DAY_MS, 2 * DAY_MS, 3 * DAY_MS]);
  });
});

describe("its drawing", () => {
  it("has one path for each level, with cells that stand apart where there is room", () => {
    const { levels, marks: drawn } = shapes(map, 10);
    expect(levels.whole.match(/M/g)).toHaveLength(7);
    expect(levels.half).toBe(`M20 ${3 * ROW + 1}h9v20h-9zM30 ${4 * ROW + 1}h9v20h-9z`);
    expect(levels.absent).toBe("");
    expect(drawn.outage).toContain("M20");
    expect(drawn.no_trade).toBe("");
  });

  it("joins days that are alike where there is none", () => {
    const { levels } = shapes(map, 3.5);
    expect(levels.whole.split("M").slice(1)).toEqual([
      `4 ${ROW + 1}h10v20h-10z`,
      `4 ${3 * ROW + 1}h3v20h-3z`,
      `11 ${3 * ROW + 1}h3v20h-3z`,
      `4 ${4 * ROW + 1}h7v20h-7z`,
    ]);
    expect(edge(4, 3.5)).toBe(14);
  });

  it("gives each mark a shape of its own inside the cell", () => {
    const drawn = MARKS.map((mark) => shape(mark, 0, 0, 12));
    expect(new Set(drawn).size).toBe(MARKS.length);
    for (const path of drawn) expect(path).not.toContain("NaN");
  });

  it("names as many days as there is room for", () => {
    const year = Array.from({ length: 365 }, (_, day) => Date.UTC(2018, 0, 1) + day * DAY_MS);
    expect(ticks(year.slice(0, 40), 60).map(({ text }) => text).slice(0, 2)).toEqual(["Jan 2018", "2 Jan"]);
    expect(ticks(year.slice(0, 40), 10).map(({ text }) => text)).toEqual(["Jan 2018", "8 Jan", "15 Jan", "22 Jan", "Feb 2018"]);
    expect(ticks(year, 3).map(({ text }) => text)).toHaveLength(12);
    expect(ticks(year, 1).map(({ text }) => text)).toEqual(["Jan 2018", "Apr 2018", "Jul 2018", "Oct 2018"]);
  });
});

describe("pointing at it", () => {
  it("finds the cell, but none on a venue's name", () => {
    expect(cellAt(map, 25, 3 * ROW + 5, 10)).toEqual({ line: 3, day: 2 });
    expect(cellAt(map, 25, 2 * ROW + 5, 10)).toBeNull();
    expect(cellAt(map, 41, 3 * ROW, 10)).toBeNull();
    expect(cellAt(map, 5, 99 * ROW, 10)).toBeNull();
  });

  it("stays on its day when the days move on", () => {
    const place = placeOf(map, { line: 3, day: 2 });
    expect(place).toEqual({ series: BTC, at: 2 * DAY_MS });
    const later = heat({ days: DAYS.slice(1), series: coverage.series.slice(1) }, []);
    expect(located(later, place)).toEqual({ line: 1, day: 1 });
    expect(located(heat({ days: DAYS.slice(3), series: coverage.series }, []), place)).toBeNull();
    expect(located(map, null)).toBeNull();
    expect(placeOf(map, { line: 0, day: 2 })).toBeNull();
  });

  it("goes by the keys", () => {
    const at = { line: 3, day: 1 };
    expect(moved(map, null, "ArrowDown", false)).toEqual({ line: 1, day: 3 });
    expect(moved(map, null, "ArrowLeft", false)).toEqual({ line: 1, day: 3 });
    expect(moved(map, at, "ArrowLeft", false)).toEqual({ line: 3, day: 0 });
    expect(moved(map, at, "ArrowUp", false)).toEqual({ line: 1, day: 1 });
    expect(moved(map, { line: 1, day: 1 }, "ArrowUp", false)).toEqual({ line: 1, day: 1 });
    expect(moved(map, at, "ArrowDown", false)).toEqual({ line: 4, day: 1 });
    expect(moved(map, at, "End", false)).toEqual({ line: 3, day: 3 });
    expect(moved(map, { line: 3, day: 3 }, "ArrowRight", false)).toEqual({ line: 3, day: 3 });
    expect(moved(map, at, "Home", false)).toEqual({ line: 3, day: 0 });
    expect(moved(map, at, "a", false)).toBeNull();
    expect(moved(heat({ days: [], series: [] }, []), null, "ArrowDown", false)).toBeNull();
  });

  it("seeks what is missing with shift", () => {
    expect(moved(map, { line: 3, day: 0 }, "ArrowRight", true)).toEqual({ line: 3, day: 2 });
    expect(moved(map, { line: 3, day: 3 }, "ArrowLeft", true)).toEqual({ line: 3, day: 2 });
    expect(moved(map, { line: 3, day: 1 }, "ArrowLeft", true)).toEqual({ line: 3, day: 1 });
  });

  it("tells numbers and why", () => {
    expect(told(map, { line: 3, day: 2 })).toEqual({
      title: "kraken BTC/USD 30m · 1970-01-03",
      numbers: "40 of 48 candles (83.3 %), 8 missing, 3 without volume",
      sentences: ["kraken:BTC/USD 30m: 8 candles are missing: the venue was down"],
    });
    expect(told(map, { line: 4, day: 3 })?.numbers).toContain("8 made up");
    expect(told(map, { line: 3, day: 0 })?.numbers).toContain("nothing is expected");
    expect(told(heat(coverage, []), { line: 3, day: 2 })?.sentences).toEqual(["No scan has judged this yet."]);
    const mended = heat(coverage, [{ ...hole, status: "repaired" }]);
    expect(told(mended, { line: 3, day: 2 })?.sentences[0]).toContain("(repaired)");
    expect(told(map, { line: 0, day: 0 })).toBeNull();
  });
});
