/** Entries and exits as marks on the candles of one series. Pure. */

import type { CandleRow, Position, Trade } from "../../api/types";
import { whose } from "../../lib/whose";

export interface Mark {
  id: string;
  /** Open time of the candle it stands at, epoch ms. */
  openTime: number;
  kind: "entry" | "exit";
  side: "long" | "short";
  /** What the label says. */
  text: string;
  /** Whose it is. */
  owner: string;
  /** After fees; null for entries. */
  profit: number | null;
  price: number;
}

const REASONS: Record<string, string> = {
  signal: "signal",
  stop: "stop",
  take_profit: "target",
  end_of_data: "end of data",
  time: "time",
  liquidation: "liquidated",
};

/** Reasons of exits that were decided at a close and filled at the next open. */
const AT_OPEN = new Set(["signal", "time"]);

export function reasonText(reason: string): string {
  return REASONS[reason] ?? reason;
}

/** Above so many marks in view their labels would cover the candles; above fewer, whose they are. */
const LABELLED = 34;
const OWNED = 10;

/** What a mark's label has room for, by how many are in view. */
export function labelOf({ text, owner }: Mark, inView: number): string | null {
  if (inView > LABELLED) return null;
  return inView > OWNED ? text : `${text} · ${owner}`;
}

/** The last candle that opened at or before a time (or, `strictly`, before it). */
export function candleAt(
  rows: readonly CandleRow[],
  ms: number,
  strictly: boolean,
): number | null {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const open = rows[middle]?.[0] ?? Number.POSITIVE_INFINITY;
    if (strictly ? open < ms : open <= ms) low = middle + 1;
    else high = middle;
  }
  return rows[low - 1]?.[0] ?? null;
}

/**
 * Marks of the trades and open positions of the series that the rows belong to, in time order.
 *
 * An entry is told by the open of its candle, an exit by signal or time fills at an open; stops,
 * targets and the end of the data are known at the close of their candle, which opened before.
 */
export function marks(
  rows: readonly CandleRow[],
  trades: readonly Trade[],
  positions: readonly Position[],
): Mark[] {
  const first = rows[0]?.[0];
  if (first === undefined) return [];
  const found: Mark[] = [];
  const add = (ms: number, strictly: boolean, mark: Omit<Mark, "openTime">): void => {
    const openTime = candleAt(rows, ms, strictly);
    if (openTime !== null) found.push({ ...mark, openTime });
  };
  for (const held of [...trades, ...positions]) {
    if (held.entry_time < first) continue;
    add(held.entry_time, false, {
      id: `${held.position_id}:entry`,
      kind: "entry",
      side: held.side,
      text: held.side,
      owner: whose(held),
      profit: null,
      price: Number(held.entry_price),
    });
  }
  for (const trade of trades) {
    add(trade.exit_time, !AT_OPEN.has(trade.exit_reason), {
      id: `${trade.position_id}:exit`,
      kind: "exit",
      side: trade.side,
      text: reasonText(trade.exit_reason),
      owner: whose(trade),
      profit: Number(trade.profit),
      price: Number(trade.exit_price),
    });
  }
  return found.sort((a, b) => a.openTime - b.openTime || (a.kind < b.kind ? -1 : 1));
}
