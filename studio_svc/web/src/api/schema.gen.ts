/**
 * What the API takes and answers. Made of docs/reference/openapi.json, never edited by hand:
 * `.venv/bin/python -m studio_svc.openapi`
 */

export interface ActiveChange {
  reason: string;
  active: boolean;
}

export interface AllocationsView {
  closes: number;
  every: number;
  vectors: WeightsView[];
}

export interface CandlesView {
  series: string;
  timeframe_ms: number;
  rows: [number, number, number, number, number, number][];
}

export interface ConfigurationDetailView {
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
  in_sample: Record<string, number | null> | null;
  out_of_sample: Record<string, number | null> | null;
  trials: number | null;
  validated_at: number | null;
  passed: boolean | null;
  gates: number | null;
  gates_passed: number | null;
  paper_trades: number;
  paper_profit: string;
  events: ConfigurationEventView[];
}

export interface ConfigurationEventView {
  at: number;
  from_stage: string | null;
  to_stage: string;
  is_active: boolean;
  reason: string;
  evidence: Record<string, unknown>;
  by_person: boolean;
}

export interface ConfigurationView {
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
  in_sample: Record<string, number | null> | null;
  out_of_sample: Record<string, number | null> | null;
  trials: number | null;
  validated_at: number | null;
  passed: boolean | null;
  gates: number | null;
  gates_passed: number | null;
  paper_trades: number;
  paper_profit: string;
}

export interface CoverageRowView {
  series: string;
  expected: number[];
  present: number[];
  missing: number[];
  zero_volume: number[];
  synthetic: number[];
}

export interface CoverageView {
  days: number[];
  series: CoverageRowView[];
}

export interface CurvesView {
  metric: string;
  metrics: string[];
  seeds: SeedCurveView[];
  step: number[];
  iqm: number[];
  low: number[];
  high: number[];
}

export interface DriftDayView {
  day: number;
  clipped: number | null;
  psi: Record<string, number>;
  excess: number | null;
  evidence: number | null;
  bound: number;
}

export interface DriftView {
  model_id: string;
  as_of: number | null;
  days: DriftDayView[];
  configurations: number;
  still_active: number;
  warnings: string[];
}

export interface Edit {
  reason: string;
  params: Record<string, number>;
}

export interface EquityRow {
  close_time: number;
  cash: string;
  equity: string;
  /** What is held, at the closes. */
  exposure: string;
  open_positions: number;
}

export interface EquityView {
  account: string;
  stored: number;
  points: [number, number, number, number, number][];
}

export interface FallbackView {
  reason: string;
  sentence: string;
  closes: number;
}

export interface FieldProblem {
  field: string;
  text: string;
}

export interface GapDetailView {
  gap_id: number;
  series: string;
  kind: "hole" | "bad_time" | "off_grid" | "duplicate" | "unsorted" | "unfinished" | "zero_volume" | "impossible";
  first_open_time: number;
  last_open_time: number;
  candles: number;
  cause: string | null;
  sure: boolean;
  sentence: string;
  status: "open" | "repaired" | "filled" | "unrepairable" | "gone";
  detected_at: number;
  settled_at: number | null;
  repaired_by: string | null;
  attempts: number;
  tried: TriedView[];
}

export interface GapView {
  gap_id: number;
  series: string;
  kind: "hole" | "bad_time" | "off_grid" | "duplicate" | "unsorted" | "unfinished" | "zero_volume" | "impossible";
  first_open_time: number;
  last_open_time: number;
  candles: number;
  cause: string | null;
  sure: boolean;
  sentence: string;
  status: "open" | "repaired" | "filled" | "unrepairable" | "gone";
  detected_at: number;
  settled_at: number | null;
  repaired_by: string | null;
  attempts: number;
}

export interface GapsView {
  gaps: GapView[];
  is_cut: boolean;
}

export interface HealthView {
  service: string;
  up: boolean;
  ready: boolean;
  detail: string;
  trouble: string | null;
}

export interface JobSpec {
  strategies: string[];
  exchange: string;
  symbols: string[];
  timeframe: string;
  start?: number | null;
  end?: number | null;
  method?: "grid" | "random" | "quasi_random" | "bayesian" | "cma_es" | "differential_evolution" | "nsga2";
  trials?: number;
  seed?: number;
  objective?: "sharpe" | "sortino" | "calmar" | "net_profit_pct" | "profit_factor" | "expectancy" | "profit_drawdown";
  min_trades?: number;
  max_drawdown_pct?: number | null;
  out_of_sample_fraction?: number;
  keep?: number;
  activate?: boolean;
  fee?: number;
  maker_fee?: number | null;
  slippage?: number;
  impact?: number;
  allows_margin?: boolean;
  fixed?: Record<string, Record<string, number>>;
}

export interface JobView {
  job_id: string;
  kind: "search" | "validation" | "policy";
  status: string;
  done: number;
  total: number;
  cancel_requested: boolean;
  spec: Record<string, unknown>;
  error: string | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  heartbeat_at: number | null;
}

export interface LedgerPage_EquityRow_ {
  rows: EquityRow[];
  cursor: string | null;
}

export interface LedgerPage_OrderRow_ {
  rows: OrderRow[];
  cursor: string | null;
}

export interface LedgerPage_SignalRow_ {
  rows: SignalRow[];
  cursor: string | null;
}

export interface LedgerPage_TradeRow_ {
  rows: TradeRow[];
  cursor: string | null;
}

export interface LedgerPage_WeightRow_ {
  rows: WeightRow[];
  cursor: string | null;
}

export interface MarketStateView {
  until: number | null;
  open_gaps: number;
  open_candles: number;
  version: string;
}

export interface ModelDetailView {
  model_id: string;
  portfolio: string;
  job_id: string | null;
  created_at: number;
  name: string;
  stage: "CANDIDATE" | "REFUSED" | "SHADOW" | "ACTIVE" | "RETIRED";
  stage_since: number;
  overrides: string[];
  timeframe: string;
  instruments: string[];
  mode: "signals" | "rebalance";
  seeds: number[];
  steps: number;
  passed: boolean | null;
  verdict: string;
  gates: Record<string, unknown>[];
  metrics: Record<string, unknown>;
  baselines: Record<string, unknown>;
  config: Record<string, unknown>;
  configurations: Record<string, unknown>[];
  data: Record<string, unknown>;
  report: Record<string, unknown>;
  manifest: Record<string, unknown>;
  artifact_sha256: string;
  closes: number;
  fallbacks: Record<string, number>;
  shadow_closes: number;
  events: ModelEventView[];
}

export interface ModelEventView {
  at: number;
  from_stage: "CANDIDATE" | "REFUSED" | "SHADOW" | "ACTIVE" | "RETIRED" | null;
  to_stage: "CANDIDATE" | "REFUSED" | "SHADOW" | "ACTIVE" | "RETIRED";
  reason: string;
  by_person: boolean;
  evidence: Record<string, unknown>;
}

export interface ModelView {
  model_id: string;
  portfolio: string;
  job_id: string | null;
  created_at: number;
  name: string;
  stage: "CANDIDATE" | "REFUSED" | "SHADOW" | "ACTIVE" | "RETIRED";
  stage_since: number;
  overrides: string[];
  timeframe: string;
  instruments: string[];
  mode: "signals" | "rebalance";
  seeds: number[];
  steps: number;
  passed: boolean | null;
  verdict: string;
  gates: Record<string, unknown>[];
  metrics: Record<string, unknown>;
  baselines: Record<string, unknown>;
}

export interface OrderRow {
  order_id: string;
  configuration_id: string;
  strategy: string | null;
  exchange: string;
  symbol: string;
  timeframe: string;
  side: "buy" | "sell";
  order_type: string;
  opens_position: boolean;
  status: string;
  /** Why it was refused or has expired; empty where it was not. */
  reason: string;
  /** Null where it is not known: of an entry at market before its fill, and of a refused one. */
  quantity: string | null;
  /** What an entry may spend, its costs included, quote currency. */
  notional: string | null;
  reference_price: number;
  limit_price: string | null;
  stop_price: string | null;
  take_profit_price: string | null;
  decided_at: number;
  fill_price: string | null;
  fee: string | null;
  filled_at: number | null;
  exit_reason: string | null;
  signal_id: string | null;
}

export interface OrderView {
  order_id: string;
  configuration_id: string;
  strategy: string | null;
  series: string;
  symbol: string;
  side: string;
  order_type: string;
  quantity: string | null;
  notional: string | null;
  reference_price: number;
  status: string;
  reason: string;
  decided_at: number;
  fill_price: string | null;
  fee: string | null;
  filled_at: number | null;
}

export interface OverviewView {
  account: string;
  mode: "PAPER";
  initial_cash: string | null;
  cash: string | null;
  equity: string | null;
  exposure: string | null;
  open_positions: number;
  settled_time: number | null;
  event_time: number | null;
  source: string | null;
  net_profit_pct: number | null;
  drawdown_pct: number | null;
  max_drawdown_pct: number | null;
  trades: number;
  win_rate: number | null;
  fees: string;
  active_configurations: number;
  refused_orders: number;
  configurations: ConfigurationView[];
}

export interface PartView {
  start: number;
  end: number;
  days: number;
}

export interface PolicySpec {
  portfolio?: string;
  name?: string | null;
  configurations?: string[] | "active";
  start?: number | null;
  end?: number | null;
  seeds?: number;
  seed?: number;
  steps?: number;
  budget?: number;
  max_weight?: number;
  fee?: number;
  slippage?: number;
  impact?: number;
  allow_overlap?: string | null;
  minutes?: number | null;
  ppo?: PpoSpec | null;
}

export interface PositionView {
  position_id: string;
  configuration_id: string;
  strategy: string | null;
  series: string;
  symbol: string;
  side: "long" | "short";
  quantity: string;
  entry_time: number;
  entry_price: string;
  stop_price: string | null;
  take_profit_price: string | null;
  next_target: TargetView | null;
  fees: string;
  last_price: number | null;
  unrealised: number | null;
  unrealised_pct: number | null;
}

export interface PpoSpec {
  accounts?: number;
  rollout?: number;
  batch_size?: number;
  epochs?: number;
  learning_rate?: [unknown, unknown];
  clip_range?: number;
  gae_lambda?: number;
  ent_coef?: number;
  target_kl?: number | null;
  widths?: [unknown, unknown];
  every?: number;
  patience?: number;
}

export interface Problem {
  type?: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  field?: string | null;
  errors?: FieldProblem[] | null;
  request_id: string;
}

export interface PromotedView {
  model: ModelDetailView;
  replaced: ModelView | null;
}

export interface Promotion {
  to: "SHADOW" | "ACTIVE";
  reason?: string | null;
}

export interface RecentView {
  since: number;
  until: number;
  closes: number;
  fallbacks: FallbackView[];
}

export interface Retirement {
  reason: string;
}

export interface ScanView {
  heard: boolean;
  detail: string;
}

export interface SeedCurveView {
  seed: number;
  step: number[];
  value: number[];
  best_step: number | null;
  ended: string | null;
}

export interface SeriesName {
  exchange: string;
  symbol: string;
  timeframe: string;
}

export interface SeriesView {
  series: string;
  exchange: string;
  symbol: string;
  timeframe: string;
  timeframe_ms: number;
  /** open_time, open, high, low, close, volume */
  last: [number, number, number, number, number, number];
  source: string;
}

export interface SignalRow {
  signal_id: string;
  configuration_id: string;
  strategy: string;
  exchange: string;
  symbol: string;
  timeframe: string;
  action: string;
  reference_price: number;
  limit_price: number | null;
  stop_price: number | null;
  take_profit_price: number | null;
  confidence: number;
  decided_at: number;
}

export interface SignalView {
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

export interface SizedView {
  configuration_id: string;
  strategy: string;
  series: string;
}

export interface StageChange {
  reason: string;
  stage: "DISCOVERY" | "VALIDATION" | "PAPER" | "MATURE" | "DECAY";
}

export interface StatusView {
  portfolio: string;
  last: WeightsView | null;
  recent: RecentView | null;
  active: ModelView | null;
  promoted: ModelEventView | null;
  former: ModelView | null;
  shadows: ModelView[];
  shadow_days: number;
}

export interface SubscriptionView {
  series: string;
  exchange: string;
  symbol: string;
  timeframe: string;
  state: "followed" | "waiting" | "trouble";
  trouble: string | null;
  last_close: number | null;
  behind_ms: number | null;
}

export interface SubscriptionsView {
  replicas: number;
  series: SubscriptionView[];
}

export interface TargetView {
  price: string;
  at: number;
}

export interface TimeframeView {
  timeframe: string;
  is_native: boolean;
}

export interface TradeRow {
  position_id: string;
  configuration_id: string;
  /** Null where the configuration is not stored here. */
  strategy: string | null;
  exchange: string;
  symbol: string;
  timeframe: string;
  side: "long" | "short";
  quantity: string;
  /** Close of the candle in which it was entered. */
  entry_time: number;
  entry_price: string;
  exit_time: number;
  exit_price: string;
  exit_reason: string;
  /** Of entry and exit, quote currency. */
  fees: string;
  /** After fees, quote currency. */
  profit: string;
}

export interface TradeView {
  position_id: string;
  configuration_id: string;
  strategy: string | null;
  series: string;
  symbol: string;
  side: "long" | "short";
  quantity: string;
  entry_time: number;
  entry_price: string;
  exit_time: number;
  exit_price: string;
  exit_reason: string;
  fees: string;
  profit: string;
}

export interface TrainingCheckView {
  refusals: string[];
  warnings: string[];
  seconds: number | null;
  embargo_days: number | null;
  parts: Record<string, PartView> | null;
  configurations: SizedView[];
  trainer: boolean;
  free_bytes: number | null;
}

export interface TriedView {
  at: number | null;
  step: string;
  timeframe: string;
  candles: number;
  outcome: string;
  note: string;
}

export interface VenueView {
  name: string;
  timeframes: TimeframeView[];
}

export interface WeightRow {
  close_time: number;
  /** `exchange:symbol`; null where a close has no weights. */
  instrument: string | null;
  /** Null where the instrument had no candle, or the model does not know it yet. */
  weight: number | null;
  policy: string;
  /** What the weights of a close sum to at most. */
  budget: number;
  model_id: string | null;
  /** Why the portfolio's own policy did not decide; `policy` did in its place. */
  fallback: string | null;
}

export interface WeightsView {
  portfolio: string;
  close_time: number;
  policy: string;
  weights: Record<string, number>;
  missing: string[];
  budget: number;
  model_id: string | null;
  fallback: string | null;
}
