/** Messages for tests. */

import { overview } from "../api/fixtures";
import type { Snapshot } from "./messages";

export const snapshot = (fields: Partial<Snapshot> = {}): Snapshot => ({
  overview: overview(),
  series: [],
  candles: null,
  equity: [],
  positions: [],
  trades: [],
  seriesTrades: [],
  signals: [],
  orders: [],
  weights: null,
  configurations: [],
  jobs: [],
  health: [],
  subscriptions: { replicas: 0, series: [] },
  marketData: { until: null, open_gaps: 0, open_candles: 0, version: "" },
  ...fields,
});
