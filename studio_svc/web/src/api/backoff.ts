/** How long to wait before the next try: longer and longer, and never all pages at once. */

const FIRST_MS = 500;
const LONGEST_MS = 30_000;
const SPREAD = 0.3;

/** @param failures - so many in a row before; @param random - from 0 to 1. */
export function pause(failures: number, random: number): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures, 10));
  return Math.round(whole * (1 - SPREAD + 2 * SPREAD * random));
}
