import { describe, expect, it } from "vitest";

import { BTC, configuration, overview, stored } from "../api/fixtures";
import { behind, STILL_MS } from "./behind";
import { initial, type State } from "./state";

const HALF_HOUR = 1_800_000;
const state = (parts: Partial<State>): State => ({
  ...initial,
  series: [stored(BTC)],
  overview: overview({ settled_time: 10 * HALF_HOUR }),
  ...parts,
});

describe("the ledger is behind", () => {
  it("where it stands still, two closes or more in the market, three in a replay", () => {
    const two = state({ eventTime: 12 * HALF_HOUR });
    expect(behind(two, false, STILL_MS)).toEqual({ ms: 2 * HALF_HOUR, settled: 10 * HALF_HOUR });
    expect(behind(two, true, STILL_MS)).toBeNull();
    expect(behind(state({ eventTime: 13 * HALF_HOUR }), true, STILL_MS)?.ms).toBe(3 * HALF_HOUR);
    expect(behind(state({ eventTime: 11 * HALF_HOUR }), false, STILL_MS)).toBeNull();
  });

  it("not while it moves: a fast replay is always ahead", () => {
    expect(behind(state({ eventTime: 99 * HALF_HOUR }), true, STILL_MS - 1)).toBeNull();
  });

  it("by the newest close that it has told of", () => {
    const told = state({ eventTime: 12 * HALF_HOUR, equity: [[12 * HALF_HOUR, 1, 1, 0, 0]] });
    expect(behind(told, false, STILL_MS)).toBeNull();
  });

  it("by what trades: a daily series waits longer", () => {
    const day = "kraken:BTC/USD:1d";
    const daily = state({
      eventTime: 20 * HALF_HOUR,
      series: [stored(BTC), { ...stored(day), timeframe_ms: 48 * HALF_HOUR }],
      configurations: [configuration("c", { series: day, is_active: true })],
    });
    expect(behind(daily, false, STILL_MS)).toBeNull();
  });

  it("is never said of what is not known", () => {
    expect(behind({ ...initial, eventTime: 9 * HALF_HOUR }, false, STILL_MS)).toBeNull();
    expect(behind(state({ eventTime: null }), false, STILL_MS)).toBeNull();
    expect(behind(state({ eventTime: 99 * HALF_HOUR, series: [] }), false, STILL_MS)).toBeNull();
  });
});
