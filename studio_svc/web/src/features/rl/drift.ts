/** Whether a model still sees and earns what it did, by UTC day. */

export interface DriftDay {
  day: number;
  clipped: number | null;
  psi: Record<string, number>;
  excess: number | null;
  evidence: number | null;
  bound: number;
}

export interface Drift {
  model_id: string;
  as_of: number | null;
  days: DriftDay[];
  configurations: number;
  still_active: number;
  warnings: string[];
}
