import type { EquityRow } from "../api/types";

/**
 * Keep at most `limit` points, even in time: of each stretch its lowest and its highest, so that
 * no peak and no drawdown is hidden; always the first and the last.
 */
export function thin(points: readonly EquityRow[], limit: number): readonly EquityRow[] {
  const first = points[0];
  const last = points.at(-1);
  if (points.length <= limit || !first || !last) return points;
  const width = (last[0] - first[0] + 1) / Math.floor((limit - 2) / 2);
  const kept: EquityRow[] = [first];
  let stretch: EquityRow[] = [];
  let end = first[0] + width;
  const settle = (): void => {
    const [one, other] = ends(stretch);
    if (one && one !== kept.at(-1)) kept.push(one);
    if (other && other !== one) kept.push(other);
    stretch = [];
  };
  for (const point of points) {
    if (point[0] >= end) {
      settle();
      end += width * Math.ceil((point[0] - end + 1) / width);
    }
    stretch.push(point);
  }
  settle();
  if (kept.at(-1) !== last) kept.push(last);
  return kept;
}

/** The lowest and the highest point in time order; of a flat stretch its first and its last. */
function ends(points: readonly EquityRow[]): (EquityRow | undefined)[] {
  let low = points[0];
  let high = points[0];
  for (const point of points) {
    if (low && point[1] < low[1]) low = point;
    if (high && point[1] > high[1]) high = point;
  }
  if (!low || !high) return [];
  if (low === high) return [low, points.at(-1)];
  return low[0] < high[0] ? [low, high] : [high, low];
}

/** Distance from the running peak in percent, 0 or less, for each point. */
export function drawdowns(points: readonly EquityRow[]): number[] {
  let peak = Number.NEGATIVE_INFINITY;
  return points.map(([, equity]) => {
    peak = Math.max(peak, equity);
    return peak > 0 ? (equity / peak - 1) * 100 : 0;
  });
}
