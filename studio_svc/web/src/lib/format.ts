/** Numbers and times as text, the same in every browser: no locale is asked. */

export const NOTHING = "–";
const MINUS = "−";

/** `1234.5` as `1,234.50`; null and what is not finite as a dash. */
export function fixed(value: number | null | undefined, digits: number): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOTHING;
  const [whole = "0", fraction] = Math.abs(value).toFixed(digits).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const text = fraction === undefined ? grouped : `${grouped}.${fraction}`;
  const isZero = !/[1-9]/.test(text);
  return value < 0 && !isZero ? MINUS + text : text;
}

/** `1 trade`, `2 trades`, `1,234 trades`; of what is not known `– trades`. */
export function counted(value: number | null | undefined, one: string, many = `${one}s`): string {
  return `${fixed(value, 0)} ${value === 1 ? one : many}`;
}

/** As `fixed`, with a plus where it is above zero. */
export function signed(value: number | null | undefined, digits: number): string {
  const text = fixed(value, digits);
  return typeof value === "number" && value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

export function percent(value: number | null | undefined, digits = 2): string {
  const text = fixed(value, digits);
  return text === NOTHING ? text : `${text} %`;
}

export function signedPercent(value: number | null | undefined, digits = 2): string {
  const text = signed(value, digits);
  return text === NOTHING ? text : `${text} %`;
}

/** Decimals that show a price of this size well. */
export function priceDigits(price: number): number {
  const size = Math.abs(price);
  if (!Number.isFinite(size) || size === 0 || size >= 100) return 2;
  return size >= 1 ? 4 : Math.min(20, 4 - Math.floor(Math.log10(size)));
}

export function price(value: number | string | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  const number = Number(value);
  return fixed(number, priceDigits(number));
}

/** At most six significant digits, no zeros at the end. */
export function quantity(value: number | string): string {
  const number = Number(value);
  if (!Number.isFinite(number)) return NOTHING;
  if (number === 0) return "0";
  const digits = Math.max(0, Math.min(20, 5 - Math.floor(Math.log10(Math.abs(number)))));
  const text = fixed(number, digits);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** `2018-03-01 00:30`, UTC. */
export function time(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NOTHING;
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ");
}

/** `03-01 00:30`, UTC. */
export function shortTime(ms: number | null | undefined): string {
  const text = time(ms);
  return text === NOTHING ? text : text.slice(5);
}

/** `sma_cross` as `sma cross`. */
export function words(name: string): string {
  return name.replaceAll("_", " ");
}

export type Tone = "up" | "down" | "flat";

export function tone(value: number | null | undefined): Tone {
  if (value === null || value === undefined || value === 0 || !Number.isFinite(value)) return "flat";
  return value > 0 ? "up" : "down";
}

/** `2018-03-01`, UTC. */
export function date(ms: number | null | undefined): string {
  return time(ms).slice(0, 10);
}

const SPANS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
] as const;

/** A length of time by its largest unit: `1.5 h`, `40 s`. */
export function span(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return NOTHING;
  const [unit, name] = SPANS.find(([length]) => Math.abs(ms) >= length) ?? [1_000, "s"];
  return `${fixed(ms / unit, 1).replace(/\.0$/, "")} ${name}`;
}
