import { describe, expect, it } from "vitest";

import { BTC, candle, ETH, ID, order, overview, position, stored, subscription, trade } from "../api/fixtures";
import { LOADING, READY } from "../api/known";
import type { CandleRow, EquityRow } from "../api/types";
import { parseSeries } from "../lib/series";
import { loaded } from "./fixtures";
import type { Loaded, Update } from "./messages";
import {
  firstPick,
  initial,
  known,
  KEPT_CANDLES,
  KEPT_POINTS,
  KEPT_ROWS,
  recorded,
  reduce,
  type State,
} from "./state";

const update = (state: State, parts: Partial<Update>): State =>
  reduce(state, { type: "update", update: { event_time: null, ...parts } });
const candles = (rows: CandleRow[], reset = false) => ({ series: BTC, rows, reset });
const picked = reduce(initial, { type: "picked", series: BTC });

describe("candles", () => {
  it("are appended, and repeats are dropped", () => {
    let state = update(picked, { candles: candles([candle(1), candle(2)]) });
    const { epoch } = state.candles;
    state = update(state, { candles: candles([candle(1), candle(2), candle(3)]) });
    expect(state.candles.rows.map(([at]) => at)).toEqual([1, 2, 3]);
    expect(state.candles.epoch).toBe(epoch);
    expect(update(state, { candles: candles([candle(3)]) }).candles).toBe(state.candles);
  });

  it("of another series are not shown", () => {
    const other = { series: ETH, rows: [candle(1)], reset: false };
    expect(update(picked, { candles: other }).candles.rows).toEqual([]);
  });

  it("begin anew after a reset and are drawn anew", () => {
    let state = update(picked, { candles: candles([candle(1)]) });
    const { epoch } = state.candles;
    state = update(state, { candles: candles([candle(7), candle(8)], true) });
    expect(state.candles.rows.map(([at]) => at)).toEqual([7, 8]);
    expect(state.candles.epoch).toBeGreaterThan(epoch);
  });

  it("are bounded", () => {
    let state = picked;
    for (let at = 0; at < 50; at += 1) {
      const rows = Array.from({ length: 100 }, (_, i) => candle(at * 100 + i));
      state = update(state, { candles: candles(rows) });
      expect(state.candles.rows.length).toBeLessThanOrEqual(2 * KEPT_CANDLES);
    }
    expect(state.candles.rows.at(-1)?.[0]).toBe(4_999);
  });

  it("go when another series is picked, and its trades stay", () => {
    let state = update(picked, {
      candles: candles([candle(1)]),
      trades: [trade("a"), trade("b", { series: ETH })],
    });
    expect(state.seriesTrades.map((one) => one.position_id)).toEqual(["a"]);
    state = reduce(state, { type: "picked", series: ETH });
    expect(state.candles.rows).toEqual([]);
    expect(state.seriesTrades.map((one) => one.position_id)).toEqual(["b"]);
    expect(reduce(state, { type: "picked", series: ETH })).toBe(state);
  });
});

describe("one configuration's rows", () => {
  const own = { configuration_id: ID };
  const both = { orders: [order("a", own), order("b")], trades: [trade("a", own), trade("b")] };
  const ids = ({ orders, trades, seriesTrades }: State) => [
    orders.map((one) => one.order_id),
    trades.map((one) => one.position_id),
    seriesTrades.map((one) => one.position_id),
  ];

  it("are shown alone of what is held, pushed and loaded, until all are asked for", () => {
    let state = reduce(picked, { type: "snapshot", loaded: loaded(both, { series: BTC }) });
    state = update(state, both);
    state = reduce(state, { type: "chosen", configuration: ID });
    expect(ids(state)).toEqual([["a"], ["a"], ["a"]]);
    // there may be more than the held ones; nothing is claimed of them before they are there
    expect(known(state, "trades")).toEqual(LOADING);
    expect(known(state, "positions")).toEqual(READY);
    state = update(state, { orders: [order("c"), order("d", own)], trades: [trade("c"), trade("d", own)] });
    expect(ids(state)).toEqual([["d", "a"], ["d", "a"], ["d", "a"]]);
    state = reduce(state, { type: "snapshot", loaded: loaded({ ...both, seriesTrades: both.trades }, { series: BTC }) });
    expect(ids(state)).toEqual([["a"], ["a"], ["a"]]);
    expect(reduce(state, { type: "chosen", configuration: ID })).toBe(state);
    state = update(reduce(state, { type: "chosen", configuration: null }), both);
    expect(ids(state)).toEqual([["b", "a"], ["b", "a"], ["b", "a"]]);
  });
});

describe("series", () => {
  it("become known by their first candle", () => {
    const state = update(initial, { last: { [ETH]: candle(1), [BTC]: candle(1) } });
    expect(state.series).toEqual([parseSeries(BTC), parseSeries(ETH)]);
    expect(parseSeries(ETH)).toMatchObject({ symbol: "ETH/USD", timeframe_ms: 1_800_000 });
    expect(update(state, { last: { [BTC]: candle(2) } }).series).toBe(state.series);
  });

  it("are picked by the address or by order", () => {
    const series = [parseSeries(BTC), parseSeries(ETH)];
    expect(firstPick(series, ETH)).toBe(ETH);
    expect(firstPick(series, "kraken:X/USD:1m")).toBe(BTC);
    expect(firstPick([], ETH)).toBeNull();
  });
});

describe("equity", () => {
  it("grows by later points only and stays bounded", () => {
    let state: State = initial;
    for (let at = 0; at < 10_000; at += 10) {
      const rows = Array.from({ length: 10 }, (_, i): EquityRow => [
        at + i, at + i === 5_005 ? 1 : 100 + (i % 3), 0, 0, 0,
      ]);
      state = update(state, { equity: rows });
    }
    expect(state.equity.length).toBeLessThanOrEqual(2 * KEPT_POINTS);
    expect(Math.min(...state.equity.map(([, value]) => value))).toBe(1);
    expect(update(state, { equity: [[9_999, 5, 0, 0, 0]] }).equity).toBe(state.equity);
  });
});

describe("tables", () => {
  it("have the newest first, each row once, and an end", () => {
    let state: State = initial;
    for (let n = 0; n < 150; n += 1) state = update(state, { trades: [trade(`${n}`)] });
    expect(state.trades.length).toBe(KEPT_ROWS);
    expect(state.trades[0]?.position_id).toBe("149");
    state = update(state, { trades: [trade("148", { profit: "5" }), trade("150")] });
    expect(state.trades.slice(0, 3).map((one) => [one.position_id, one.profit])).toEqual([
      ["150", "19"],
      ["149", "19"],
      ["148", "5"],
    ]);
  });

  it("show an order's fill, also when the order is told of again", () => {
    let state = update(initial, { orders: [order("a"), order("b")] });
    state = update(state, {
      fills: [{ order_id: "a", fill_price: "101", fee: "0.2", filled_at: 11 }],
    });
    expect(state.orders.map((one) => [one.order_id, one.status, one.fill_price])).toEqual([
      ["b", "OPEN", null],
      ["a", "FILLED", "101"],
    ]);
    state = update(state, { orders: [order("a", { status: "FILLED" })] });
    expect(state.orders[1]).toMatchObject({ status: "FILLED", fill_price: "101" });
  });

  it("take an order and its fill from one push", () => {
    const state = update(initial, {
      orders: [order("a")],
      fills: [{ order_id: "a", fill_price: "101", fee: "0.2", filled_at: 11 }],
    });
    expect(state.orders).toHaveLength(1);
    expect(state.orders[0]?.status).toBe("FILLED");
  });
});

describe("a load", () => {
  const take = (state: State, what: Loaded): State => reduce(state, { type: "snapshot", loaded: what });

  it("replaces what it holds and keeps what the stream knows better", () => {
    let state = update(picked, { last: { [ETH]: candle(1), [BTC]: candle(7) }, event_time: 90 });
    state = take(
      state,
      loaded(
        {
          overview: overview({ event_time: 80, trades: 3 }),
          series: [stored(BTC, 5)],
          candles: { series: BTC, rows: [candle(1), candle(2)] },
          seriesTrades: [trade("a")],
          equity: { points: [[1, 2, 3, 4, 5]] },
        },
        { series: BTC },
      ),
    );
    expect(state.eventTime).toBe(90);
    expect(state.overview?.trades).toBe(3);
    expect(state.series.map((one) => one.series)).toEqual([BTC, ETH]);
    expect(state.last[BTC]?.[0]).toBe(7);
    expect(state.candles.rows).toHaveLength(2);
    expect(state.seriesTrades).toHaveLength(1);
    expect(known(state, "candles")).toEqual(READY);
  });

  it("of a series that is no longer picked leaves the chart alone", () => {
    const other = loaded({ candles: { series: ETH, rows: [candle(1)] }, seriesTrades: [trade("a")] }, { series: ETH });
    const state = take(picked, other);
    expect(state.candles).toBe(picked.candles);
    expect(state.seriesTrades).toEqual([]);
    expect(known(state, "candles")).toEqual(LOADING);
  });

  it("knows nothing before it, and of what failed only why", () => {
    expect(known(initial, "positions")).toEqual(LOADING);
    const failure = { series: null, parts: { orders: [] }, failures: { positions: "the database does not answer" } };
    let state = take(initial, failure);
    expect(known(state, "orders")).toEqual(READY);
    expect(known(state, "positions")).toEqual({ state: "failed", reason: "the database does not answer" });
    expect(known(state, "trades")).toEqual(LOADING);
    state = update(state, { positions: [] });
    expect(known(state, "positions")).toEqual(READY);
    // single rows tell nothing of the rest
    expect(known(update(state, { trades: [trade("a")] }), "trades")).toEqual(LOADING);
  });

  it("is asked for anew when another series is picked", () => {
    const state = take(picked, loaded({ candles: { series: BTC, rows: [] } }, { series: BTC }));
    expect(known(state, "candles")).toEqual(READY);
    const other = reduce(state, { type: "picked", series: ETH });
    expect(known(other, "candles")).toEqual(LOADING);
    expect(known(other, "positions")).toEqual(READY);
  });
});

describe("a correction of an older candle", () => {
  it("is not the last price", () => {
    let state = update(picked, { last: { [BTC]: candle(7, 70) } });
    state = update(state, { last: { [BTC]: candle(5, 50) } });
    expect(state.last[BTC]?.[4]).toBe(70);
    expect(update(state, { last: { [BTC]: candle(7, 71) } }).last[BTC]?.[4]).toBe(71);
    expect(update(state, { last: { [BTC]: candle(8, 80) } }).last[BTC]?.[4]).toBe(80);
  });

  it("is drawn where it stands, anew", () => {
    let state = update(picked, { candles: candles([candle(1), candle(2), candle(3)]) });
    const { epoch } = state.candles;
    state = update(state, { candles: candles([candle(2, 9), candle(4)]) });
    expect(state.candles.rows.map(([at, , , , close]) => [at, close])).toEqual([[1, 1], [2, 9], [3, 1], [4, 1]]);
    expect(state.candles.epoch).toBeGreaterThan(epoch);
  });
});

it("replaces small things whole", () => {
  const weights = { portfolio: "main", close_time: 1, policy: "p", weights: {}, missing: [], budget: 1, model_id: null, fallback: null };
  const health = [{ service: "a", up: true, ready: true, detail: "ready", trouble: null }];
  const state = update(initial, { weights, health, jobs: [], positions: [position("p")] });
  expect(state.weights).toBe(weights);
  expect(state.health).toBe(health);
  expect(state.positions).toHaveLength(1);
});

it("tells the connection once", () => {
  const live = reduce(initial, { type: "connection", connection: "live" });
  expect(live.connection).toBe("live");
  expect(reduce(live, { type: "connection", connection: "live" })).toBe(live);
  const lost = reduce(live, { type: "connection", connection: "reconnecting", lostAt: 5, retryAt: 9 });
  expect([lost.lostAt, lost.retryAt]).toEqual([5, 9]);
  expect(reduce(lost, { type: "connection", connection: "live" })).toMatchObject({ lostAt: null, retryAt: null });
});

it("takes a live run for one although its last candle came by backfill", () => {
  const told = (source: string | null, replicas: number): boolean | null =>
    recorded(update(initial, { overview: overview({ source }), subscriptions: { replicas, series: [] } }));
  // what is not known is not said
  expect(recorded(initial)).toBeNull();
  expect(recorded(update(initial, { overview: overview({ source: "replay" }) }))).toBeNull();
  expect([told("replay", 0), told("backfill", 0), told(null, 0)]).toEqual([true, true, null]);
  expect([told("live", 0), told("backfill", 1), told(null, 1)]).toEqual([false, false, false]);
});

it("is told of changes by pushes", () => {
  const subscriptions = { replicas: 1, series: [subscription("kraken:BTC/USD:1m")] };
  const marketData = { until: 86_400_000, open_gaps: 1, open_candles: 2, version: "2" };
  const state = reduce(initial, {
    type: "update",
    update: { event_time: null, subscriptions, market_data: marketData },
  });
  expect(state.subscriptions).toBe(subscriptions);
  expect(state.marketData).toBe(marketData);
  expect(reduce(state, { type: "update", update: { event_time: 1 } }).subscriptions).toBe(subscriptions);
});
