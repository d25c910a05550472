/** What the stream pushes, and what a page loads at its start. */

import type {
  CandleRow,
  Configuration,
  EquityRow,
  Fill,
  Health,
  Job,
  MarketState,
  ModelsState,
  Order,
  Overview,
  Position,
  SeriesView,
  Signal,
  Subscriptions,
  Trade,
  Weights,
} from "../api/types";

/** One push; every part but the event time may be absent. */
export interface Update {
  event_time: number | null;
  last?: Record<string, CandleRow>;
  candles?: { series: string; rows: CandleRow[]; reset: boolean };
  equity?: EquityRow[];
  signals?: Signal[];
  orders?: Order[];
  fills?: Fill[];
  trades?: Trade[];
  weights?: Weights;
  positions?: Position[];
  overview?: Overview;
  configurations?: Configuration[];
  jobs?: Job[];
  health?: Health[];
  subscriptions?: Subscriptions;
  market_data?: MarketState;
  models?: ModelsState;
  reload?: boolean;
}

/** Everything the page shows, each part by a question of its own. */
export interface Snapshot {
  overview: Overview;
  series: SeriesView[];
  candles: { series: string; rows: CandleRow[] };
  equity: { points: EquityRow[] };
  positions: Position[];
  trades: Trade[];
  seriesTrades: Trade[];
  signals: Signal[];
  orders: Order[];
  weights: Weights | null;
  configurations: Configuration[];
  jobs: Job[];
  health: Health[];
  subscriptions: Subscriptions;
  marketData: MarketState;
}

export type Part = keyof Snapshot;

/** What was asked for: what came, and why the rest did not. */
export interface Loaded {
  /** The series that candles and its trades were asked of. */
  series: string | null;
  parts: Partial<Snapshot>;
  failures: Partial<Record<Part, string>>;
}
