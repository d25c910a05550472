/** What the stream pushes, and what a page loads at its start. */

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
  reload?: boolean;
}

/** Everything the page shows, read at once. */
export interface Snapshot {
  overview: Overview;
  series: Series[];
  candles: { series: string; rows: CandleRow[] } | null;
  equity: EquityRow[];
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
