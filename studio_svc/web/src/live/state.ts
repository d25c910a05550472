/** All that the page knows, and how each message changes it. Pure: no clock, no network. */

import type {
  CandleRow,
  Configuration,
  EquityRow,
  Fill,
  Health,
  Job,
  MarketState,
  Order,
  Overview,
  Position,
  Series,
  Signal,
  Subscriptions,
  Trade,
  Weights,
} from "../api/types";
import { thin } from "../lib/curve";
import type { Grown } from "../lib/grown";
import { parseSeries } from "../lib/series";
import type { Snapshot, Update } from "./messages";

export const KEPT_CANDLES = 1_000;
export const KEPT_POINTS = 2_000;
export const KEPT_ROWS = 100;
export const KEPT_TRADES = 500;

export type Connection = "connecting" | "live" | "reconnecting" | "signed-out";

export interface State {
  connection: Connection;
  loaded: boolean;
  picked: string | null;
  series: readonly Series[];
  last: Readonly<Record<string, CandleRow>>;
  eventTime: number | null;
  candles: Grown<CandleRow>;
  equity: readonly EquityRow[];
  overview: Overview | null;
  positions: readonly Position[];
  trades: readonly Trade[];
  /** The picked series' trades, for the chart. */
  seriesTrades: readonly Trade[];
  signals: readonly Signal[];
  orders: readonly Order[];
  weights: Weights | null;
  configurations: readonly Configuration[];
  jobs: readonly Job[];
  health: readonly Health[];
  subscriptions: Subscriptions | null;
  marketData: MarketState | null;
}

export type Action =
  | { type: "connection"; connection: Connection }
  | { type: "picked"; series: string }
  | { type: "snapshot"; snapshot: Snapshot }
  | { type: "update"; update: Update };

export const initial: State = {
  connection: "connecting",
  loaded: false,
  picked: null,
  series: [],
  last: {},
  eventTime: null,
  candles: { rows: [], epoch: 0 },
  equity: [],
  overview: null,
  positions: [],
  trades: [],
  seriesTrades: [],
  signals: [],
  orders: [],
  weights: null,
  configurations: [],
  jobs: [],
  health: [],
  subscriptions: null,
  marketData: null,
};

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "connection":
      return state.connection === action.connection
        ? state
        : { ...state, connection: action.connection };
    case "picked":
      return action.series === state.picked
        ? state
        : {
            ...state,
            picked: action.series,
            candles: { rows: [], epoch: state.candles.epoch + 1 },
            seriesTrades: state.trades.filter((trade) => trade.series === action.series),
          };
    case "snapshot":
      return withSnapshot(state, action.snapshot);
    case "update":
      return withUpdate(state, action.update);
  }
}

function withSnapshot(state: State, snapshot: Snapshot): State {
  const { candles, equity, series, seriesTrades, ...whole } = snapshot;
  const isPicked = candles !== null && candles.series === state.picked;
  return {
    ...state,
    ...whole,
    loaded: true,
    series: mergedSeries(
      series,
      state.series.map((known) => known.series),
    ),
    eventTime: later(state.eventTime, snapshot.overview.event_time),
    candles: isPicked
      ? { rows: candles.rows, epoch: state.candles.epoch + 1 }
      : state.candles,
    seriesTrades: isPicked ? seriesTrades : state.seriesTrades,
    equity,
  };
}

function withUpdate(state: State, update: Update): State {
  const next: State = { ...state, eventTime: later(state.eventTime, update.event_time) };
  if (update.last) {
    next.last = { ...state.last, ...update.last };
    next.series = mergedSeries(state.series, Object.keys(update.last));
  }
  if (update.candles && update.candles.series === state.picked) {
    next.candles = withCandles(state.candles, update.candles.rows, update.candles.reset);
  }
  if (update.equity) next.equity = withEquity(state.equity, update.equity);
  if (update.signals) next.signals = newest(state.signals, update.signals, "signal_id", KEPT_ROWS);
  if (update.orders) next.orders = newest(state.orders, update.orders, "order_id", KEPT_ROWS);
  if (update.fills) next.orders = withFills(next.orders, update.fills);
  if (update.trades) {
    next.trades = newest(state.trades, update.trades, "position_id", KEPT_ROWS);
    const own = update.trades.filter((trade) => trade.series === state.picked);
    if (own.length > 0) {
      next.seriesTrades = newest(state.seriesTrades, own, "position_id", KEPT_TRADES);
    }
  }
  if (update.weights) next.weights = update.weights;
  if (update.positions) next.positions = update.positions;
  if (update.overview) next.overview = update.overview;
  if (update.configurations) next.configurations = update.configurations;
  if (update.jobs) next.jobs = update.jobs;
  if (update.health) next.health = update.health;
  if (update.subscriptions) next.subscriptions = update.subscriptions;
  if (update.market_data) next.marketData = update.market_data;
  return next;
}

function later(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.max(a, b);
}

function mergedSeries(known: readonly Series[], ids: readonly string[]): readonly Series[] {
  const missing = ids.filter((id) => !known.some((series) => series.series === id));
  if (missing.length === 0) return known;
  return [...known, ...missing.map(parseSeries)].sort((a, b) => (a.series < b.series ? -1 : 1));
}

function withCandles(
  candles: Grown<CandleRow>,
  rows: readonly CandleRow[],
  reset: boolean,
): Grown<CandleRow> {
  if (reset) return { rows, epoch: candles.epoch + 1 };
  const end = candles.rows.at(-1)?.[0] ?? Number.NEGATIVE_INFINITY;
  const fresh = rows.filter(([openTime]) => openTime > end);
  if (fresh.length === 0) return candles;
  const grown = [...candles.rows, ...fresh];
  return grown.length > 2 * KEPT_CANDLES
    ? { rows: grown.slice(-KEPT_CANDLES), epoch: candles.epoch + 1 }
    : { rows: grown, epoch: candles.epoch };
}

function withEquity(known: readonly EquityRow[], rows: readonly EquityRow[]): readonly EquityRow[] {
  const end = known.at(-1)?.[0] ?? Number.NEGATIVE_INFINITY;
  const fresh = rows.filter(([closeTime]) => closeTime > end);
  if (fresh.length === 0) return known;
  const grown = [...known, ...fresh];
  return grown.length > 2 * KEPT_POINTS ? thin(grown, KEPT_POINTS) : grown;
}

/** Put new rows first, newest first; a row that is known already is replaced where it stands. */
function newest<Row extends object, Key extends keyof Row>(
  known: readonly Row[],
  fresh: readonly Row[],
  key: Key,
  limit: number,
): readonly Row[] {
  const byKey = new Map(fresh.map((row) => [row[key], row]));
  const kept = known.map((row) => {
    const changed = byKey.get(row[key]);
    byKey.delete(row[key]);
    return changed === undefined ? row : { ...row, ...said(changed) };
  });
  return [...[...byKey.values()].reverse(), ...kept].slice(0, limit);
}

/** The fields that a message gives: an order told of again does not unsay its fill. */
function said<Row extends object>(row: Row): Partial<Row> {
  return Object.fromEntries(
    Object.entries(row).filter(([, value]) => value !== null),
  ) as Partial<Row>;
}

function withFills(orders: readonly Order[], fills: readonly Fill[]): readonly Order[] {
  const byOrder = new Map(fills.map((fill) => [fill.order_id, fill]));
  return orders.map((order) => {
    const fill = byOrder.get(order.order_id);
    return fill ? { ...order, ...fill, status: "FILLED" } : order;
  });
}

/** The series to show first: the asked one where it is known, else the first. */
export function firstPick(series: readonly Series[], asked: string | null): string | null {
  const found = series.find((known) => known.series === asked);
  return (found ?? series[0])?.series ?? null;
}

const RECORDED = ["replay", "import", "backfill"];

/** Whether this is a replay. Live candles may come by backfill, so a live market_ingest is none. */
export function recorded({ overview, subscriptions }: State): boolean {
  if (subscriptions !== null && subscriptions.replicas > 0) return false;
  return overview?.source == null || RECORDED.includes(overview.source);
}
