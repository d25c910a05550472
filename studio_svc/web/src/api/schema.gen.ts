/**
 * What the API takes and answers. Made of docs/reference/openapi.json, never edited by hand:
 * `.venv/bin/python -m studio_svc.openapi`
 */

export interface ActiveChange {
  /** Why; kept in the configuration's history. */
  reason: string;
  active: boolean;
}

export interface AllocationsView {
  /** How many there are in the range. */
  closes: number;
  /** Of so many closes one is shown. */
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
  /** Out of service for good. */
  retired: boolean;
  /** The configuration that this one was made from by a person. */
  edited_from: string | null;
  in_sample: Record<string, number | null> | null;
  out_of_sample: Record<string, number | null> | null;
  /** How many parameter sets the search tried to find this one; null when it was not searched. */
  trials: number | null;
  /** When the gates last judged it; null before the first time, so are the next three. */
  validated_at: number | null;
  passed: boolean | null;
  gates: number | null;
  gates_passed: number | null;
  /** Closed trades of this configuration on the account. */
  paper_trades: number;
  /** Their profit after fees, quote currency. */
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
  /** Out of service for good. */
  retired: boolean;
  /** The configuration that this one was made from by a person. */
  edited_from: string | null;
  in_sample: Record<string, number | null> | null;
  out_of_sample: Record<string, number | null> | null;
  /** How many parameter sets the search tried to find this one; null when it was not searched. */
  trials: number | null;
  /** When the gates last judged it; null before the first time, so are the next three. */
  validated_at: number | null;
  passed: boolean | null;
  gates: number | null;
  gates_passed: number | null;
  /** Closed trades of this configuration on the account. */
  paper_trades: number;
  /** Their profit after fees, quote currency. */
  paper_profit: string;
}

export interface CoverageRowView {
  series: string;
  expected: number[];
  /** Candles there, synthetic ones not counted. */
  present: number[];
  missing: number[];
  zero_volume: number[];
  synthetic: number[];
}

export interface CoverageView {
  /** Midnights, no day left out. */
  days: number[];
  series: CoverageRowView[];
}

export interface CurvesView {
  metric: string;
  /** What has points. */
  metrics: string[];
  seeds: SeedCurveView[];
  step: number[];
  iqm: number[];
  low: number[];
  high: number[];
}

export interface DriftDayView {
  /** Its midnight, epoch ms. */
  day: number;
  /** Share of the figures it saw that were beyond their bound; null where it saw none. */
  clipped: number | null;
  /** Stability index of each figure over the last 14 days; empty before there are so many. */
  psi: Record<string, number>;
  /** Log growth of its virtual account less that of equal weights; null where none could trade. */
  excess: number | null;
  /** What speaks for harm after the day: what a bettor has made of 1 by betting on it. */
  evidence: number | null;
  /** At which the model is retired. */
  bound: number;
}

export interface DriftView {
  model_id: string;
  /** End of the last day that was looked at, epoch ms. */
  as_of: number | null;
  days: DriftDayView[];
  /** How many it was trained on. */
  configurations: number;
  /** How many of them trade now. */
  still_active: number;
  warnings: string[];
}

export interface Edit {
  /** Why; kept in the configuration's history. */
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
  /** How often it was tried in vain. */
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
  /** How often it was tried in vain. */
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
  /** What it cannot do although it is ready, as to follow a market that does not answer. */
  trouble: string | null;
}

export interface JobSpec {
  strategies: string[];
  exchange: string;
  symbols: string[];
  timeframe: string;
  /** First open time that is traded, epoch ms; None for the first candle there is. */
  start?: number | null;
  /** Open time before which the data ends, epoch ms; None for all there is. */
  end?: number | null;
  method?: "grid" | "random" | "quasi_random" | "bayesian" | "cma_es" | "differential_evolution" | "nsga2";
  /** Parameter sets per strategy and symbol; a grid may have fewer. */
  trials?: number;
  seed?: number;
  objective?: "sharpe" | "sortino" | "calmar" | "net_profit_pct" | "profit_factor" | "expectancy" | "profit_drawdown";
  /** A parameter set with fewer in-sample trades is not chosen. */
  min_trades?: number;
  /** A parameter set with a deeper in-sample drawdown is not chosen; None for any. */
  max_drawdown_pct?: number | null;
  out_of_sample_fraction?: number;
  /** Configurations kept per symbol and strategy. */
  keep?: number;
  /** Whether the kept configurations trade on paper at once, before their validation. */
  activate?: boolean;
  fee?: number;
  /** Of orders that rested; None for the same as `fee`. */
  maker_fee?: number | null;
  slippage?: number;
  /** Added to the slippage of an order as large as its candle's volume. */
  impact?: number;
  /** Whether the market may be sold short. */
  allows_margin?: boolean;
  /** By strategy, parameters that are not searched, and their values. */
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
  /** When its worker was heard last. */
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
  /** The midnight (UTC) that ends the last visible day; null before any candle. */
  until: number | null;
  open_gaps: number;
  /** Candles that these gaps concern. */
  open_candles: number;
  /** Changes whenever stored candles or gaps do. */
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
  /** What a person set aside to bring it here, each with the reason. */
  overrides: string[];
  timeframe: string;
  instruments: string[];
  /** One of mode `rebalance` cannot be promoted. */
  mode: "signals" | "rebalance";
  seeds: number[];
  steps: number;
  /** Null where no gate was asked. */
  passed: boolean | null;
  verdict: string;
  /** What each gate said; `title`, `passed` and `verdict` of each are for people. */
  gates: Record<string, unknown>[];
  metrics: Record<string, unknown>;
  baselines: Record<string, unknown>;
  config: Record<string, unknown>;
  configurations: Record<string, unknown>[];
  data: Record<string, unknown>;
  /** All that its evaluation found; empty where there was none. */
  report: Record<string, unknown>;
  manifest: Record<string, unknown>;
  artifact_sha256: string;
  /** Closes of the portfolio at which it was followed. */
  closes: number;
  /** How many of them inverse volatility decided, by the reason. */
  fallbacks: Record<string, number>;
  /** Closes at which it decided beside the one that was followed. */
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
  /** What a person set aside to bring it here, each with the reason. */
  overrides: string[];
  timeframe: string;
  instruments: string[];
  /** One of mode `rebalance` cannot be promoted. */
  mode: "signals" | "rebalance";
  seeds: number[];
  steps: number;
  /** Null where no gate was asked. */
  passed: boolean | null;
  verdict: string;
  /** What each gate said; `title`, `passed` and `verdict` of each are for people. */
  gates: Record<string, unknown>[];
  metrics: Record<string, unknown>;
  baselines: Record<string, unknown>;
}

export interface OrderRow {
  order_id: string;
  strategy: string | null;
  configuration_id: string;
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
  /** Null in what is pushed, and where the configuration is not stored here. */
  strategy: string | null;
  series: string;
  symbol: string;
  side: string;
  order_type: string;
  /** Null where it is not known: of an entry at market before its fill, and of a refused one. */
  quantity: string | null;
  /** What an entry may spend, its costs included, quote currency. */
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
  /** What orders are filled by; a paper exchange alone, so far. */
  mode: "PAPER";
  initial_cash: string | null;
  cash: string | null;
  equity: string | null;
  exposure: string | null;
  open_positions: number;
  /** The last close that the ledger has settled. */
  settled_time: number | null;
  /** The last close that the page may know of. */
  event_time: number | null;
  /** Where the last candle came from: replay, live, ... */
  source: string | null;
  net_profit_pct: number | null;
  /** Distance of equity from its peak, percent, 0 or more. */
  drawdown_pct: number | null;
  max_drawdown_pct: number | null;
  trades: number;
  /** Fraction of the trades with a profit after fees; null without trades. */
  win_rate: number | null;
  fees: string;
  active_configurations: number;
  refused_orders: number;
  /** The active ones, in-sample beside out-of-sample. */
  configurations: ConfigurationView[];
}

export interface PartView {
  start: number;
  end: number;
  days: number;
}

export interface PolicySpec {
  portfolio?: string;
  /** For people; the job's number by default. */
  name?: string | null;
  /** Whose trades are sized; those that are active when the job is queued by default. */
  configurations?: string[] | "active";
  /** First open time, epoch ms; None for the first candle there is. */
  start?: number | null;
  /** Open time before which the data ends, epoch ms; None for all there is. */
  end?: number | null;
  seeds?: number;
  /** The first of them; the others follow it. */
  seed?: number;
  /** Of each seed, at most. */
  steps?: number;
  /** What the weights sum to at most. */
  budget?: number;
  /** Of one instrument. */
  max_weight?: number;
  fee?: number;
  slippage?: number;
  impact?: number;
  /** Why configurations may be used that were chosen by days of validation or test. */
  allow_overlap?: string | null;
  /** After so long of training each seed stops with the best that it has. */
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
  /** The target in the candle that follows the last settled close; of one that falls its step. */
  take_profit_price: string | null;
  /** The step that comes after it; null where the target does not fall any further. */
  next_target: TargetView | null;
  fees: string;
  last_price: number | null;
  /** Profit at the last close after the entry fees, quote currency. */
  unrealised: number | null;
  /** The same in percent of the entry notional. */
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
  /** Names the reason; programs may rely on it. */
  code: string;
  /** The reason in one readable line: what, why, what to do. */
  detail: string;
  /** The whole path of what is wrong, as `symbols[2]`. */
  field?: string | null;
  /** Each wrong field, where there are several. */
  errors?: FieldProblem[] | null;
  /** The server's log has it beside a fault. */
  request_id: string;
}

export interface PromotedView {
  model: ModelDetailView;
  replaced: ModelView | null;
}

export interface Promotion {
  to: "SHADOW" | "ACTIVE";
  /** Why; needed where a rule is set aside, and shown with the model from then on. */
  reason?: string | null;
}

export interface RecentView {
  /** After this close. */
  since: number;
  until: number;
  closes: number;
  /** The most frequent reason first; empty where the portfolio's own policy decided all. */
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
  /** Where validation was best; null before the first validation. */
  best_step: number | null;
  /** Why the seed was not trained on; null while that is not known. */
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
  strategy: string;
  configuration_id: string;
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
  /** Why; kept in the configuration's history. */
  reason: string;
  stage: "DISCOVERY" | "VALIDATION" | "PAPER" | "MATURE" | "DECAY";
}

export interface StatusView {
  portfolio: string;
  /** The last decision; null before the first. */
  last: WeightsView | null;
  /** Of the last seven days; null before the first decision. */
  recent: RecentView | null;
  /** The model that is followed; null where none is. */
  active: ModelView | null;
  /** How it came to be. */
  promoted: ModelEventView | null;
  /** The model that was active before. */
  former: ModelView | null;
  shadows: ModelView[];
  /** So long a model decides in shadow before it is promoted without a reason. */
  shadow_days: number;
}

export interface SubscriptionView {
  series: string;
  exchange: string;
  symbol: string;
  timeframe: string;
  /** `waiting` until its first candle, and while no live market_ingest runs. */
  state: "followed" | "waiting" | "trouble";
  /** Why it cannot be followed. */
  trouble: string | null;
  /** Close time of the last candle that was published. */
  last_close: number | null;
  /** How far that is behind the newest candle that could be there; null before the first. */
  behind_ms: number | null;
}

export interface SubscriptionsView {
  replicas: number;
  series: SubscriptionView[];
}

export interface TargetView {
  price: string;
  /** It is valid from the first candle on that opens at or after this time, epoch ms. */
  at: number;
}

export interface TimeframeView {
  timeframe: string;
  is_native: boolean;
}

export interface TradeRow {
  position_id: string;
  /** Null where the configuration is not stored here. */
  strategy: string | null;
  configuration_id: string;
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
  /** Null in what is pushed, and where the configuration is not stored here. */
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
  /** Why it cannot be, each a line; with none it can be queued. */
  refusals: string[];
  warnings: string[];
  /** What it may take; null where it cannot be. */
  seconds: number | null;
  /** The least: the trainer adds how long trades are held. */
  embargo_days: number | null;
  parts: Record<string, PartView> | null;
  configurations: SizedView[];
  /** Whether a trainer was seen in the last half minute. */
  trainer: boolean;
  /** That its folder of checkpoints has left. */
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
