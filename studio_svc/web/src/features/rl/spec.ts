/** What a person has filled in, as the body of a training. Pure. */

import type { PolicySpec } from "../../api/types";

/** The form, as text; empty leaves it to the server. */
export interface Filled {
  name: string;
  /** Chosen configurations; null takes all that are active. */
  chosen: readonly string[] | null;
  start: string;
  end: string;
  overlap: string;
  figures: Readonly<Record<string, string>>;
  ppo: Readonly<Record<string, string>>;
}

export interface Field {
  name: string;
  label: string;
  title: string;
  /** What the server takes where nothing is filled in. */
  usual: string;
  isWhole?: boolean;
}

export const FIGURES: readonly Field[] = [
  { name: "seeds", label: "Seeds", title: "Each is trained by itself; a promotion asks for 8", usual: "8", isWhole: true },
  { name: "steps", label: "Steps", title: "Of each seed, at most; without gain it ends sooner", usual: "1000000", isWhole: true },
  { name: "minutes", label: "Minutes", title: "A deadline; empty for none", usual: "none", isWhole: true },
  { name: "budget", label: "Budget", title: "What the weights sum to at most", usual: "1" },
  { name: "max_weight", label: "Largest weight", title: "Of one instrument", usual: "0.5" },
  { name: "fee", label: "Fee", title: "Share of the notional", usual: "0.001" },
  { name: "slippage", label: "Slippage", title: "Share of the price", usual: "0.0005" },
  { name: "impact", label: "Impact", title: "Slippage of an order as large as its candle's volume", usual: "0" },
];

export const PPO: readonly Field[] = [
  { name: "accounts", label: "Accounts", title: "Virtual ones at once", usual: "512", isWhole: true },
  { name: "rollout", label: "Rollout", title: "Steps of each account between updates", usual: "32", isWhole: true },
  { name: "batch_size", label: "Batch", title: "Of a step of the optimizer", usual: "8192", isWhole: true },
  { name: "epochs", label: "Epochs", title: "Passes over what was collected", usual: "10", isWhole: true },
  { name: "clip_range", label: "Clip", title: "Of the likelihood ratio", usual: "0.2" },
  { name: "gae_lambda", label: "GAE λ", title: "Of the advantages", usual: "0.9" },
  { name: "ent_coef", label: "Entropy", title: "Its weight in the loss", usual: "0" },
  { name: "every", label: "Validate every", title: "Updates between validations and checkpoints", usual: "10", isWhole: true },
  { name: "target_kl", label: "Target KL", title: "An update ends where the policy moved further", usual: "0.03" },
  { name: "patience", label: "Patience", title: "Validations without gain that end a seed", usual: "3", isWhole: true },
];

export const EMPTY: Filled = { name: "", chosen: null, start: "", end: "", overlap: "", figures: {}, ppo: {} };

/** The body, and what of the form cannot be read. */
export function specOf(filled: Filled): { spec: PolicySpec; wrong: string[] } {
  const wrong: string[] = [];
  const spec: PolicySpec = {};
  if (filled.name.trim() !== "") spec.name = filled.name.trim();
  if (filled.chosen !== null) {
    spec.configurations = [...filled.chosen];
    if (filled.chosen.length === 0) wrong.push("Choose at least one configuration.");
  }
  const [start, end] = [midnight(filled.start), midnight(filled.end)];
  if (start !== null) spec.start = start;
  if (end !== null) spec.end = end;
  if (start !== null && end !== null && start >= end) wrong.push("The range begins before it ends.");
  if (filled.overlap.trim() !== "") spec.allow_overlap = filled.overlap.trim();
  const figures = read(FIGURES, filled.figures, wrong);
  const ppo = read(PPO, filled.ppo, wrong);
  if (Object.keys(ppo).length > 0) spec.ppo = ppo;
  return { spec: { ...spec, ...figures }, wrong };
}

function midnight(day: string): number | null {
  const at = Date.parse(`${day}T00:00:00Z`);
  return Number.isFinite(at) ? at : null;
}

function read(fields: readonly Field[], filled: Readonly<Record<string, string>>, wrong: string[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { name, label, isWhole } of fields) {
    const text = (filled[name] ?? "").trim();
    if (text === "") continue;
    const value = Number(text);
    if (!Number.isFinite(value) || value < 0) wrong.push(`${label} is a number of 0 or more.`);
    else if (isWhole === true && !Number.isInteger(value)) wrong.push(`${label} is a whole number.`);
    else found[name] = value;
  }
  return found;
}
