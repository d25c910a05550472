/** Scales and what stands on axes. Pure. */

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const HOUR = 3_600_000;
const STEPS_MS = [1, 3, 6, 12, 24, 48, 72, 120, 240, 480, 744, 1_488, 2_976, 8_784].map((hours) => hours * HOUR);

export interface Tick {
  at: number;
  text: string;
}

/** A straight line from a range of values to a range of pixels. */
export function scale(from: readonly [number, number], to: readonly [number, number]): (value: number) => number {
  const width = from[1] - from[0];
  const slope = width === 0 ? 0 : (to[1] - to[0]) / width;
  return (value) => Math.round((to[0] + (value - from[0]) * slope) * 100) / 100;
}

/** Round values in a range, at most `count` or one more. */
export function roundValues([low, high]: readonly [number, number], count: number): number[] {
  const width = high - low;
  if (!(width > 0)) return [low];
  const raw = width / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5].find((one) => one * power >= raw) ?? 10) * power;
  const found: number[] = [];
  // counted, for sums of steps drift; + 0 for there is a -0
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) found.push(n * step + 0);
  return found;
}

/** Times to name in a range, so that at most `count` stand on the axis. UTC. */
export function times(start: number, end: number, count: number): Tick[] {
  if (!(end > start)) return [{ at: start, text: dayText(start) }];
  const wanted = (end - start) / Math.max(1, count);
  const step = STEPS_MS.find((one) => one >= wanted) ?? (STEPS_MS.at(-1) as number);
  const found: Tick[] = [];
  for (let at = Math.ceil(start / step) * step; at <= end; at += step) {
    found.push({ at, text: step < 24 * HOUR ? hourText(at) : dayText(at) });
  }
  return found;
}

function hourText(at: number): string {
  const text = new Date(at).toISOString().slice(11, 16);
  return text === "00:00" ? dayText(at) : text;
}

function dayText(at: number): string {
  const when = new Date(at);
  return `${when.getUTCDate()} ${MONTHS[when.getUTCMonth()] ?? ""}`;
}
