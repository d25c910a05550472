/** One look for all charts; the colours are those of styles.css. */

import {
  type ChartOptions,
  ColorType,
  CrosshairMode,
  type DeepPartial,
  TickMarkType,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";

import { time as timeText } from "../format";

export const COLORS = {
  up: "#35c08e",
  down: "#ef6374",
  accent: "#6ea8fe",
  amber: "#e3b25c",
  text: "#8d99ab",
  line: "#1a212d",
  faint: "#4b576b",
};

export function seconds(ms: number): UTCTimestamp {
  return Math.floor(ms / 1000) as UTCTimestamp;
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

export function tick(at: Time, kind: TickMarkType): string {
  const date = new Date(Number(at) * 1000);
  switch (kind) {
    case TickMarkType.Year:
      return String(date.getUTCFullYear());
    case TickMarkType.Month:
      return MONTHS[date.getUTCMonth()] ?? "";
    case TickMarkType.DayOfMonth:
      return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()] ?? ""}`;
    case TickMarkType.Time:
    case TickMarkType.TimeWithSeconds:
      return date.toISOString().slice(11, 16);
  }
}

export const OPTIONS: DeepPartial<ChartOptions> = {
  autoSize: true,
  layout: {
    background: { type: ColorType.Solid, color: "transparent" },
    textColor: COLORS.text,
    fontFamily: '"Inter Variable", system-ui, sans-serif',
    fontSize: 11,
    // the attribution is in the page's footer; the logo needs an inline style, which we forbid
    attributionLogo: false,
    panes: { separatorColor: COLORS.line, separatorHoverColor: "#232c3b", enableResize: false },
  },
  grid: { vertLines: { color: "#131924" }, horzLines: { color: "#131924" } },
  crosshair: {
    mode: CrosshairMode.Normal,
    vertLine: { color: COLORS.faint, labelBackgroundColor: "#273146" },
    horzLine: { color: COLORS.faint, labelBackgroundColor: "#273146" },
  },
  rightPriceScale: { borderVisible: false, minimumWidth: 66 },
  timeScale: {
    borderColor: COLORS.line,
    timeVisible: true,
    secondsVisible: false,
    rightOffset: 4,
    tickMarkFormatter: tick,
  },
  localization: { locale: "en-GB", timeFormatter: (at: Time) => `${timeText(Number(at) * 1000)} UTC` },
  handleScroll: { vertTouchDrag: false },
};
