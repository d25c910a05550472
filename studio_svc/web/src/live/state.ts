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
import { type Known, LOADING, READY } from "../api/known";
import { parseSeries } from "../lib/series";
import { ofOne } from "../lib/whose";
import type { Loaded, Part, Update } from "./messages";

export const KEPT_CANDLES = 1_000;
export const KEPT_POINTS = 2_000;
export const KEPT_ROWS = 100;
export const KEPT_TRADES = 500;

export type Connection = "connecting" | "live" | "reconnecting" | "signed-out";

export interface State {
  connection: Connection;
  /** When the server was heard last, wall-clock ms, and when it is tried again; null while it is there. */
  lostAt: number | null;
  retryAt: number | null;
  /** What was asked for and came, or why it did not; absent: it is being asked for. */
  known: Readonly<Partial<Record<Part, Known>>>;
  picked: string | null;
  /** Of which configuration alone signals, orders and trades are shown; null: of all. */
  configuration: string | null;
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
  /** Changes with models and trainings; null before the first push. */
  modelsVersion: string | null;
}

export type Action =
  | { type: "connection"; connection: Connection; lostAt?: number | null; retryAt?: number | null }
  | { type: "picked"; series: string }
  | { type: "chosen"; configuration: string | null }
  | { type: "snapshot"; loaded: Loaded }
  | { type: "update"; update: Update };

export const initial: State = {
  connection: "connecting",
  lostAt: null,
  retryAt: null,
  known: {},
  picked: null,
  configuration: null,
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
  modelsVersion: null,
};

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "connection":
      return withConnection(state, action);
    case "picked":
      return action.series === state.picked ? state : withPicked(state, action.series);
    case "chosen":
      return action.configuration === state.configuration ? state : withChosen(state, action.configuration);
    case "snapshot":
      return withLoaded(state, action.loaded);
    case "update":
      return withUpdate(state, action.update);
  }
}

/** Whether what is shown is not fed any more. */
export function isCut({ connection }: State): boolean {
  return connection === "reconnecting" || connection === "signed-out";
}

/** Whether a part is known. */
export function known(state: State, part: Part): Known {
  return state.known[part] ?? LOADING;
}

function withConnection(
  state: State,
  { connection, lostAt = null, retryAt = null }: Extract<Action, { type: "connection" }>,
): State {
  const isSame =
    state.connection === connection && state.lostAt === lostAt && state.retryAt === retryAt;
  return isSame ? state : { ...state, connection, lostAt, retryAt };
}

function withPicked(state: State, picked: string): State {
  const { candles: _, seriesTrades: __, ...others } = state.known;
  return {
    ...state,
    picked,
    known: others,
    candles: { rows: [], epoch: state.candles.epoch + 1 },
    seriesTrades: state.trades.filter((trade) => trade.series === picked),
  };
}

/** Show one configuration's rows alone; more of them than are held will be loaded. */
function withChosen(state: State, configuration: string | null): State {
  const { trades: _, seriesTrades: __, signals: ___, orders: ____, ...others } = state.known;
  return ownAlone({ ...state, configuration, known: others });
}

function ownAlone(state: State): State {
  const { configuration } = state;
  if (configuration === null) return state;
  return {
    ...state,
    trades: ofOne(state.trades, configuration),
    seriesTrades: ofOne(state.seriesTrades, configuration),
    signals: ofOne(state.signals, configuration),
    orders: ofOne(state.orders, configuration),
  };
}

const OF_SERIES: readonly string[] = ["candles", "seriesTrades"];

function withLoaded(state: State, { series: asked, parts, failures }: Loaded): State {
  const isPicked = asked === state.picked;
  const { candles, equity, series, seriesTrades, ...whole } = parts;
  const next: State = { ...state, ...whole };
  if (series) {
    next.series = mergedSeries(
      series,
      state.series.map((one) => one.series),
    );
    next.last = withLast(Object.fromEntries(series.map((one) => [one.series, one.last])), state.last);
  }
  if (parts.overview) next.eventTime = later(state.eventTime, parts.overview.event_time);
  if (equity) next.equity = equity.points;
  if (candles && isPicked) {
    next.candles = { rows: candles.rows, epoch: state.candles.epoch + 1 };
  }
  if (seriesTrades && isPicked) next.seriesTrades = seriesTrades;
  const told: Partial<Record<Part, Known>> = {};
  for (const part of Object.keys(parts) as Part[]) told[part] = READY;
  for (const [part, reason] of Object.entries(failures)) {
    told[part as Part] = { state: "failed", reason };
  }
  const ours = Object.entries(told).filter(([part]) => isPicked || !OF_SERIES.includes(part));
  next.known = { ...state.known, ...Object.fromEntries(ours) };
  return ownAlone(next);
}

function withUpdate(state: State, update: Update): State {
  const next: State = { ...state, eventTime: later(state.eventTime, update.event_time) };
  if (update.last) {
    next.last = withLast(state.last, update.last);
    next.series = mergedSeries(state.series, Object.keys(update.last));
  }
  if (update.candles && update.candles.series === state.picked) {
    next.candles = withCandles(state.candles, update.candles.rows, update.candles.reset);
  }
  if (update.equity) next.equity = withEquity(state.equity, update.equity);
  const shown = <Row extends { configuration_id: string }>(rows: readonly Row[]) => ofOne(rows, state.configuration);
  if (update.signals) next.signals = newest(state.signals, shown(update.signals), "signal_id", KEPT_ROWS);
  if (update.orders) next.orders = newest(state.orders, shown(update.orders), "order_id", KEPT_ROWS);
  if (update.fills) next.orders = withFills(next.orders, update.fills);
  if (update.trades) {
    next.trades = newest(state.trades, shown(update.trades), "position_id", KEPT_ROWS);
    const own = shown(update.trades).filter((trade) => trade.series === state.picked);
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
  if (update.models) next.modelsVersion = update.models.version;
  const whole = WHOLE.filter(([name]) => update[name] !== undefined).map(([, part]) => [part, READY]);
  if (whole.length > 0) next.known = { ...next.known, ...Object.fromEntries(whole) };
  return next;
}

/** Pushes that tell all of something: after one it is known, whatever a question came to. */
const WHOLE: readonly (readonly [keyof Update, Part])[] = [
  ["weights", "weights"],
  ["positions", "positions"],
  ["overview", "overview"],
  ["configurations", "configurations"],
  ["jobs", "jobs"],
  ["health", "health"],
  ["subscriptions", "subscriptions"],
  ["market_data", "marketData"],
];

/** The last candle of each series: a correction of an older one is not the last. */
function withLast(
  old: Readonly<Record<string, CandleRow>>,
  told: Readonly<Record<string, CandleRow>>,
): Readonly<Record<string, CandleRow>> {
  const newer = Object.entries(told).filter(([series, row]) => row[0] >= (old[series]?.[0] ?? row[0]));
  return { ...old, ...Object.fromEntries(newer) };
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
  const corrected = withCorrections(candles.rows, rows);
  const epoch = corrected === candles.rows ? candles.epoch : candles.epoch + 1;
  const end = candles.rows.at(-1)?.[0] ?? Number.NEGATIVE_INFINITY;
  const fresh = rows.filter(([openTime]) => openTime > end);
  if (fresh.length === 0 && corrected === candles.rows) return candles;
  const grown = [...corrected, ...fresh];
  return grown.length > 2 * KEPT_CANDLES
    ? { rows: grown.slice(-KEPT_CANDLES), epoch: epoch + 1 }
    : { rows: grown, epoch };
}

/** Put corrected candles where they stand; the same array where none differs. */
function withCorrections(known: readonly CandleRow[], rows: readonly CandleRow[]): readonly CandleRow[] {
  const byTime = new Map(rows.map((row) => [row[0], row]));
  const differs = (old: CandleRow): boolean =>
    byTime.get(old[0])?.some((value, i) => value !== old[i]) ?? false;
  return known.some(differs) ? known.map((old) => byTime.get(old[0]) ?? old) : known;
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

/**
 * Whether this is a replay; null while that is not known. Live candles may come by backfill, so a
 * live market_ingest is none.
 */
export function recorded({ overview, subscriptions }: State): boolean | null {
  if (subscriptions !== null && subscriptions.replicas > 0) return false;
  if (overview === null || overview.source === null) return null;
  if (!RECORDED.includes(overview.source)) return false;
  return subscriptions === null ? null : true;
}
