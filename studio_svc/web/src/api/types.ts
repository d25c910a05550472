/** What the API answers and the stream pushes. Money is a decimal string, times are epoch ms UTC. */

/** open_time, open, high, low, close, volume. */
export type CandleRow = [number, number, number, number, number, number];
/** close_time, equity, cash, exposure, open positions. */
export type EquityRow = [number, number, number, number, number];
export type Money = string;

export interface Series {
  series: string;
  exchange: string;
  symbol: string;
  timeframe: string;
  timeframe_ms: number;
}

/** A series that has stored candles, with the last of them. */
export interface SeriesView extends Series {
  last: CandleRow;
  source: string;
}

export interface Position {
  position_id: string;
  configuration_id: string;
  strategy: string | null;
  series: string;
  symbol: string;
  side: "long" | "short";
  quantity: Money;
  entry_time: number;
  entry_price: Money;
  stop_price: Money | null;
  take_profit_price: Money | null;
  fees: Money;
  last_price: number | null;
  unrealised: number | null;
  unrealised_pct: number | null;
}

export interface Trade {
  position_id: string;
  configuration_id: string;
  series: string;
  symbol: string;
  side: "long" | "short";
  quantity: Money;
  entry_time: number;
  entry_price: Money;
  exit_time: number;
  exit_price: Money;
  exit_reason: string;
  fees: Money;
  profit: Money;
}

export interface Signal {
  signal_id: string;
  configuration_id: string;
  strategy: string;
  series: string;
  symbol: string;
  action: string;
  reference_price: number;
  stop_price: number | null;
  take_profit_price: number | null;
  confidence: number;
  decided_at: number;
}

export interface Order {
  order_id: string;
  configuration_id: string;
  series: string;
  symbol: string;
  side: string;
  order_type: string;
  quantity: Money;
  reference_price: number;
  status: string;
  reason: string;
  decided_at: number;
  fill_price: Money | null;
  fee: Money | null;
  filled_at: number | null;
}

export interface Fill {
  order_id: string;
  fill_price: Money;
  fee: Money;
  filled_at: number;
}

export interface Weights {
  portfolio: string;
  close_time: number;
  policy: string;
  weights: Record<string, number>;
  missing: string[];
}

export type Figures = Record<string, number | null>;

export interface Configuration {
  configuration_id: string;
  revision: number;
  strategy: string;
  series: string;
  symbol: string;
  params: Record<string, unknown>;
  share: number;
  stage: string;
  is_active: boolean;
  retired: boolean;
  edited_from: string | null;
  in_sample: Figures | null;
  out_of_sample: Figures | null;
  trials: number | null;
  validated_at: number | null;
  passed: boolean | null;
  gates: number | null;
  gates_passed: number | null;
  paper_trades: number;
  paper_profit: Money;
}

/** One line of a configuration's history. */
export interface ConfigurationEvent {
  at: number;
  from_stage: string | null;
  to_stage: string;
  is_active: boolean;
  reason: string;
  evidence: Record<string, unknown>;
  by_person: boolean;
}

export interface ConfigurationDetail extends Configuration {
  events: ConfigurationEvent[];
}

/** `done` of `total` are trials of a search, percent of a validation. */
export interface Job {
  job_id: string;
  kind: "search" | "validation";
  status: string;
  done: number;
  total: number;
  cancel_requested: boolean;
  spec: Record<string, unknown>;
  error: string | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
}

export interface Health {
  service: string;
  up: boolean;
  ready: boolean;
  detail: string;
}

export interface Overview {
  account: string;
  mode: "PAPER";
  initial_cash: Money | null;
  cash: Money | null;
  equity: Money | null;
  exposure: Money | null;
  open_positions: number;
  settled_time: number | null;
  event_time: number | null;
  source: string | null;
  net_profit_pct: number | null;
  drawdown_pct: number | null;
  max_drawdown_pct: number | null;
  trades: number;
  win_rate: number | null;
  fees: Money;
  active_configurations: number;
  refused_orders: number;
  configurations: Configuration[];
}

/** One series that market_ingest is asked to follow. */
export interface Subscription {
  series: string;
  exchange: string;
  symbol: string;
  timeframe: string;
  state: "followed" | "waiting" | "trouble";
  trouble: string | null;
  last_close: number | null;
  /** How far its last candle is behind the newest that could be there. */
  behind_ms: number | null;
}

export interface Subscriptions {
  /** Running market_ingest that follow live markets. */
  replicas: number;
  series: Subscription[];
}

/** A venue whose live markets can be followed. */
export interface Venue {
  name: string;
  timeframes: { timeframe: string; is_native: boolean }[];
}

/** What is stored, in short; `version` changes with it. */
export interface MarketState {
  until: number | null;
  open_gaps: number;
  open_candles: number;
  version: string;
}

/** How much of each series is there, by UTC day; the lists are as long as `days`. */
export interface CoverageRow {
  series: string;
  expected: number[];
  present: number[];
  missing: number[];
  zero_volume: number[];
  synthetic: number[];
}

export interface Coverage {
  days: number[];
  series: CoverageRow[];
}

/** One thing that a scan found wrong. */
export interface Gap {
  gap_id: number;
  series: string;
  kind: string;
  first_open_time: number;
  last_open_time: number;
  candles: number;
  cause: string | null;
  sure: boolean;
  sentence: string;
  status: string;
  detected_at: number;
  settled_at: number | null;
  repaired_by: string | null;
  /** How often it was tried in vain. */
  attempts: number;
}

export interface Gaps {
  gaps: Gap[];
  /** There are more. */
  is_cut: boolean;
}

/** One thing that was tried for a gap. */
export interface Tried {
  at: number | null;
  step: string;
  timeframe: string;
  candles: number;
  outcome: string;
  note: string;
}

export interface GapDetail extends Gap {
  tried: Tried[];
}
