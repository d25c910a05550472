/** Messages for tests. */

import { overview } from "../api/fixtures";
import type { Loaded, Snapshot } from "./messages";

export const snapshot = (parts: Partial<Snapshot> = {}): Snapshot => ({
  overview: overview(),
  series: [],
  candles: { series: "", rows: [] },
  equity: { points: [] },
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
  ...parts,
});

/** What a load brought, all of it unless said otherwise. */
export const loaded = (
  parts: Partial<Snapshot> = {},
  { series = null, failures = {} }: Partial<Omit<Loaded, "parts">> = {},
): Loaded => ({ series, parts: snapshot(parts), failures });
