import { describe, expect, it } from "vitest";

import { candle, position, trade } from "../../api/fixtures";
import { candleAt, labelOf, marks } from "./markers";

const rows = [candle(100), candle(200), candle(400), candle(500)];

describe("candleAt", () => {
  it("finds the candle that a time lies in", () => {
    expect(candleAt(rows, 100, false)).toBe(100);
    expect(candleAt(rows, 399, false)).toBe(200);
    expect(candleAt(rows, 9_999, false)).toBe(500);
    expect(candleAt(rows, 99, false)).toBeNull();
    expect(candleAt([], 1, false)).toBeNull();
  });

  it("finds the candle that a close belongs to", () => {
    expect(candleAt(rows, 200, true)).toBe(100);
    expect(candleAt(rows, 100, true)).toBeNull();
  });
});

describe("marks", () => {
  it("put an entry at the candle it opened with", () => {
    expect(marks(rows, [], [position("p", { entry_time: 200 })])).toEqual([
      expect.objectContaining({ kind: "entry", openTime: 200, side: "long", text: "long", owner: "sma cross c" }),
    ]);
  });

  it("put an exit by signal or time at its open, and a stop at the candle that hit it", () => {
    const trades = [
      trade("a", { entry_time: 100, exit_time: 400, exit_reason: "signal" }),
      trade("b", { entry_time: 100, exit_time: 400, exit_reason: "stop", profit: "-3" }),
      trade("c", { entry_time: 100, exit_time: 400, exit_reason: "time", profit: "1" }),
    ];
    const exits = marks(rows, trades, []).filter((mark) => mark.kind === "exit");
    expect(exits.map(({ openTime, text, profit }) => [openTime, text, profit])).toEqual([
      [200, "stop", -3],
      [400, "signal", 19],
      [400, "time", 1],
    ]);
  });

  it("say whose they are, at the candles too where there is room", () => {
    const [entry] = marks(rows, [trade("t", { entry_time: 200, configuration_id: "3166a7b9-1", strategy: "sma_cross" })], []);
    if (!entry) throw new Error("no mark");
    expect(entry.owner).toBe("sma cross 3166a7b9");
    expect([10, 11, 34, 35].map((inView) => labelOf(entry, inView))).toEqual([
      "long · sma cross 3166a7b9",
      "long",
      "long",
      null,
    ]);
  });

  it("leave out what lies before the first candle, and are in time order", () => {
    const trades = [
      trade("late", { entry_time: 400, exit_time: 500 }),
      trade("old", { entry_time: 1, exit_time: 200 }),
      trade("older", { entry_time: 1, exit_time: 2 }),
    ];
    expect(marks(rows, trades, []).map((mark) => mark.id)).toEqual([
      "old:exit",
      "late:entry",
      "late:exit",
    ]);
    expect(marks([], trades, [])).toEqual([]);
  });
});
