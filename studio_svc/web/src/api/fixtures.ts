/** Rows for tests. */

import type {
  CandleRow,
  Configuration,
  Gap,
  Order,
  Overview,
  Position,
  SeriesView,
  Signal,
  Subscription,
  Trade,
} from "./types";

export const BTC = "kraken:BTC/USD:30m";
export const ID = "3166a7b9-0000-4000-8000-000000000001";
export const ETH = "kraken:ETH/USD:30m";

export const candle = (openTime: number, close = 1): CandleRow => [openTime, 1, 2, 0.5, close, 10];

export const stored = (series: string, openTime = 1): SeriesView => {
  const [exchange = "", symbol = "", timeframe = ""] = series.split(":");
  return { series, exchange, symbol, timeframe, timeframe_ms: 1_800_000, last: candle(openTime), source: "replay" };
};

export const trade = (id: string, fields: Partial<Trade> = {}): Trade => ({
  position_id: id,
  configuration_id: "c",
  strategy: null,
  series: BTC,
  symbol: "BTC/USD",
  side: "long",
  quantity: "2",
  entry_time: 10,
  entry_price: "100",
  exit_time: 20,
  exit_price: "110",
  exit_reason: "signal",
  fees: "1",
  profit: "19",
  ...fields,
});

export const position = (id: string, fields: Partial<Position> = {}): Position => ({
  position_id: id,
  configuration_id: "c",
  strategy: "sma_cross",
  series: BTC,
  symbol: "BTC/USD",
  side: "long",
  quantity: "2",
  entry_time: 10,
  entry_price: "100",
  stop_price: "90",
  take_profit_price: null,
  next_target: null,
  fees: "1",
  last_price: null,
  unrealised: null,
  unrealised_pct: null,
  ...fields,
});

export const signal = (id: string, fields: Partial<Signal> = {}): Signal => ({
  signal_id: id,
  configuration_id: "c",
  strategy: "sma_cross",
  series: BTC,
  symbol: "BTC/USD",
  action: "enter_long",
  reference_price: 100,
  stop_price: null,
  take_profit_price: null,
  confidence: 1,
  decided_at: 10,
  ...fields,
});

export const order = (id: string, fields: Partial<Order> = {}): Order => ({
  order_id: id,
  configuration_id: "c",
  strategy: null,
  series: BTC,
  symbol: "BTC/USD",
  side: "buy",
  order_type: "market",
  quantity: "2",
  notional: "201",
  reference_price: 100,
  status: "OPEN",
  reason: "",
  decided_at: 10,
  fill_price: null,
  fee: null,
  filled_at: null,
  ...fields,
});

export const overview = (fields: Partial<Overview> = {}): Overview => ({
  account: "main",
  mode: "PAPER",
  initial_cash: "10000",
  cash: "10000",
  equity: "10000",
  exposure: "0",
  open_positions: 0,
  settled_time: null,
  event_time: null,
  source: null,
  net_profit_pct: 0,
  drawdown_pct: 0,
  max_drawdown_pct: 0,
  trades: 0,
  win_rate: null,
  fees: "0",
  active_configurations: 0,
  refused_orders: 0,
  configurations: [],
  ...fields,
});

export const gap = (id: number, fields: Partial<Gap> = {}): Gap => ({
  gap_id: id,
  series: BTC,
  kind: "hole",
  first_open_time: 0,
  last_open_time: 1_800_000,
  candles: 2,
  cause: "outage",
  sure: true,
  sentence: "kraken:BTC/USD 30m: 8 candles are missing: the venue was down",
  status: "open",
  detected_at: 0,
  settled_at: null,
  repaired_by: null,
  attempts: 0,
  ...fields,
});

export const subscription = (series: string, fields: Partial<Subscription> = {}): Subscription => {
  const [exchange = "", symbol = "", timeframe = ""] = series.split(":");
  return {
    series,
    exchange,
    symbol,
    timeframe,
    state: "followed",
    trouble: null,
    last_close: 1_519_864_200_000,
    behind_ms: 0,
    ...fields,
  };
};

export const configuration = (id: string, fields: Partial<Configuration> = {}): Configuration => ({
  configuration_id: id,
  revision: 1,
  strategy: "sma_cross",
  series: BTC,
  symbol: "BTC/USD",
  params: {},
  share: 1,
  stage: "PAPER",
  is_active: false,
  retired: false,
  edited_from: null,
  in_sample: null,
  out_of_sample: null,
  trials: null,
  validated_at: null,
  passed: null,
  gates: null,
  gates_passed: null,
  paper_trades: 0,
  paper_profit: "0",
  ...fields,
});
