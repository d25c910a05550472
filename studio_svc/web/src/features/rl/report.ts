/** What a model's evaluation found, as far as the page shows it. Pure. */

import type { Model, ModelDetail } from "../../api/types";
import { counted, fixed, percent } from "../../lib/format";
import type { PartName, Parts } from "./split";

export interface Figures {
  growth_pct: number;
  sharpe: number | null;
  max_drawdown_pct: number | null;
  exposure: number | null;
  costs_pct: number;
  trades: number;
}

export interface Row {
  name: string;
  title: string;
  parts: Partial<Record<PartName, Figures>>;
}

/** The policy against one baseline on the test range. */
export interface Compared {
  name: string;
  title: string;
  is_judged: boolean;
  excess_pct: number;
  lower_pct: number;
  smallest_pct: number;
  chance: number;
  joint_chance: number;
}

export interface Report {
  label: string;
  parts: Parts;
  embargo_days: number;
  looks: number;
  seeds: number;
  budget: number;
  rival: string;
  smallest_excess_pct: number | null;
  smallest_sharpe: number;
  table: Row[];
  compared: Compared[];
  warnings: string[];
}

export interface Gate {
  name: string;
  title: string;
  passed: boolean;
  verdict: string;
  figure?: number | null;
  unit?: string;
  threshold?: number;
  comparison?: string;
}

/** The report of a model; null where it was never evaluated, or by another kind of report. */
export function reportOf({ report }: Pick<ModelDetail, "report">): Report | null {
  const has = ["parts", "table", "compared", "warnings"].every((name) => typeof report[name] === "object");
  return has && report["parts"] !== null ? (report as unknown as Report) : null;
}

/** The gates, refused ones first, else in their order. */
export function gatesOf({ gates }: Pick<Model, "gates">): Gate[] {
  const told = gates as unknown as Gate[];
  return [...told.filter((one) => !one.passed), ...told.filter((one) => one.passed)];
}

const ASKS: Record<string, string> = { ">": "above", ">=": "at least", "<=": "at most" };

function figure(value: number, unit: string): string {
  if (unit === "%") return percent(value);
  return Number.isInteger(value) ? fixed(value, 0) : fixed(value, 3);
}

/** `-59.84 %, must be above 0.00 %`; nothing where the gate tells no figure. */
export function measured({ figure: value, threshold, unit = "", comparison = "" }: Gate): string {
  if (threshold === undefined) return "";
  const asked = `must be ${ASKS[comparison] ?? comparison} ${figure(threshold, unit)}`;
  return `${value === null || value === undefined ? "undefined" : figure(value, unit)}, ${asked}`;
}

/** What the test range could have shown at all. */
export function smallestText(report: Report): string {
  const days = report.parts.test.days;
  const rival = report.compared.find((one) => one.name === report.rival);
  const over = rival?.title ?? report.rival;
  if (report.smallest_excess_pct === null) {
    return `In the ${days} days of the test range it did what ${over} did.`;
  }
  const found = rival === undefined ? "" : `; what was found is ${signedPct(rival.excess_pct)}`;
  return (
    `The smallest excess over ${over} that the ${days} days of the test range could have shown is ` +
    `${percent(report.smallest_excess_pct)}, a Sharpe ratio of about ${fixed(report.smallest_sharpe, 1)}${found}.`
  );
}

function signedPct(value: number): string {
  return value > 0 ? `+${percent(value)}` : percent(value);
}

/** Who decides, in a few words: a policy's name as people say it. */
export function policyWords(policy: string): string {
  return policy.startsWith("ppo:") ? `model ${policy.slice(4)}` : policy.replaceAll("_", " ");
}

const DAY_MS = 86_400_000;

/** Days that a model must still decide in shadow, by the wall clock; 0 where it has. */
export function daysLeft({ stage_since: since }: Pick<Model, "stage_since">, days: number, now: number): number {
  return Math.max(0, days - (now - since) / DAY_MS);
}

/** Rules that a promotion sets aside, as far as the page can tell; the server decides. */
export function objections(model: Model, to: string, shadowDays: number, now: number): string[] {
  const found: string[] = [];
  if (model.stage === "RETIRED") found.push("it was retired");
  if (model.passed !== true) found.push(model.verdict);
  if (to === "ACTIVE" && model.stage !== "SHADOW") {
    found.push(`it is not in SHADOW, where a model stays ${counted(shadowDays, "day")}`);
  } else if (to === "ACTIVE" && daysLeft(model, shadowDays, now) > 0) {
    found.push(`it has ${fixed(daysLeft(model, shadowDays, now), 1)} of ${counted(shadowDays, "day")} in SHADOW left`);
  }
  return found;
}
