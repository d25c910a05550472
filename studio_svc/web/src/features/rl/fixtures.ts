/** Models, trainings and curves for tests. */

import type { Job, Model, ModelDetail, RlStatus, Weights } from "../../api/types";
import type { Report } from "./report";

export const vector = (at: number, weights: Record<string, number>, fields: Partial<Weights> = {}): Weights => ({
  portfolio: "main",
  close_time: at,
  policy: "equal",
  weights,
  missing: [],
  budget: 1,
  model_id: null,
  fallback: null,
  ...fields,
});

export const model = (name: string, fields: Partial<Model> = {}): Model => ({
  model_id: `${name}-4444-5555`,
  portfolio: "main",
  job_id: null,
  created_at: 0,
  name,
  stage: "REFUSED",
  stage_since: 0,
  overrides: [],
  timeframe: "30m",
  instruments: ["kraken:BTC/USD"],
  mode: "signals",
  seeds: [1, 2],
  steps: 1_000,
  passed: false,
  verdict: "refused by 1 of 2 gates: Beats every baseline",
  gates: [
    { name: "test_days", title: "Days of the test range", passed: true, verdict: "Enough.", figure: 142, unit: "days", threshold: 90, comparison: ">=" },
    { name: "baselines", title: "Beats every baseline", passed: false, verdict: "It ended below cash.", figure: -59.84, unit: "%", threshold: 0, comparison: ">" },
  ],
  metrics: {},
  baselines: {},
  ...fields,
});

export const detail = (name: string, fields: Partial<ModelDetail> = {}): ModelDetail => ({
  ...model(name),
  config: {},
  configurations: [{ configuration_id: "a" }, { configuration_id: "b" }],
  data: { sha256: "d" },
  report: {},
  manifest: {},
  artifact_sha256: "f",
  closes: 0,
  fallbacks: {},
  shadow_closes: 0,
  events: [],
  ...fields,
});

export const status = (fields: Partial<RlStatus> = {}): RlStatus => ({
  portfolio: "main",
  last: null,
  recent: null,
  active: null,
  promoted: null,
  former: null,
  shadows: [],
  shadow_days: 14,
  ...fields,
});

export const job = (id: string, fields: Partial<Job> = {}): Job => ({
  job_id: id,
  kind: "policy",
  status: "RUNNING",
  done: 250,
  total: 1_000,
  cancel_requested: false,
  spec: {},
  error: null,
  created_at: 0,
  started_at: 0,
  finished_at: null,
  heartbeat_at: null,
  ...fields,
});

const DAY = 86_400_000;
const figures = { growth_pct: 3.25, sharpe: null, max_drawdown_pct: 8, exposure: 0.3, costs_pct: 1.2, trades: 9 };

export const report = (fields: Partial<Report> = {}): Report => ({
  label: "sizing",
  parts: {
    train: { start: 0, end: 60 * DAY, days: 60 },
    validation: { start: 69 * DAY, end: 89 * DAY, days: 20 },
    test: { start: 98 * DAY, end: 118 * DAY, days: 20 },
  },
  embargo_days: 9,
  looks: 2,
  seeds: 8,
  budget: 1,
  rival: "equal",
  smallest_excess_pct: 11.27,
  smallest_sharpe: 2.64,
  table: [{ name: "m", title: "m", parts: { train: figures, validation: figures, test: figures } }],
  compared: [
    { name: "equal", title: "equal weights", is_judged: true, excess_pct: 4, lower_pct: -4, smallest_pct: 11, chance: 0.2, joint_chance: 0.9 },
    { name: "buy_and_hold", title: "buy and hold", is_judged: false, excess_pct: 6, lower_pct: 1, smallest_pct: 11, chance: 0.01, joint_chance: 0.01 },
  ],
  warnings: ["candles are missing"],
  ...fields,
});
