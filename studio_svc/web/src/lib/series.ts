import type { Series } from "../api/types";

const UNIT_MS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What a series id (`exchange:symbol:timeframe`) says by itself. */
export function parseSeries(id: string): Series {
  const [exchange = "", symbol = "", timeframe = ""] = id.split(":");
  const count = Number.parseInt(timeframe, 10);
  const unit = UNIT_MS[timeframe.slice(-1)] ?? UNIT_MS["m"] ?? 60_000;
  return {
    series: id,
    exchange,
    symbol,
    timeframe,
    timeframe_ms: (Number.isFinite(count) ? count : 1) * unit,
  };
}

/** The part of an instrument or a symbol that a trader calls it by. */
export function symbolOf(instrument: string): string {
  return instrument.split(":").at(-1) ?? instrument;
}
