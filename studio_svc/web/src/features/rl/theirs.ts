/** What the trainer and the drift watch answer, as far as this page needs it. */

/** What may be asked of a training; what is left out is the server's default. */
export interface PolicySpec {
  name?: string;
  configurations?: "active" | string[];
  start?: number;
  end?: number;
  seeds?: number;
  seed?: number;
  steps?: number;
  budget?: number;
  max_weight?: number;
  fee?: number;
  slippage?: number;
  impact?: number;
  allow_overlap?: string;
  minutes?: number;
  ppo?: Record<string, number | number[]>;
}

export interface Part {
  start: number;
  end: number;
  days: number;
}

export type PartName = "train" | "validation" | "test";
export const PARTS: readonly PartName[] = ["train", "validation", "test"];

/** What would come of a training, before it is asked for. */
export interface TrainCheck {
  refusals: string[];
  warnings: string[];
  seconds: number | null;
  embargo_days: number | null;
  parts: Record<PartName, Part> | null;
  configurations: { configuration_id: string; strategy: string; series: string }[];
  /** Whether a trainer runs. */
  trainer: boolean;
  free_bytes: number | null;
}

export interface DriftDay {
  day: number;
  clipped: number | null;
  psi: Record<string, number>;
  excess: number | null;
  evidence: number | null;
  bound: number;
}

/** Whether a model still sees and earns what it did. */
export interface Drift {
  model_id: string;
  as_of: number | null;
  days: DriftDay[];
  configurations: number;
  still_active: number;
  warnings: string[];
}
