/** One look for all charts; the colours are those of ui/tokens.css. */

import {
  type ChartOptions,
  ColorType,
  CrosshairMode,
  type DeepPartial,
  TickMarkType,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { useSyncExternalStore } from "react";

import { time as timeText } from "../lib/format";

const DARK = {
  up: "#35c08e",
  down: "#ef6374",
  accent: "#6ea8fe",
  amber: "#e3b25c",
  text: "#8d99ab",
  line: "#1a212d",
  faint: "#4b576b",
  grid: "#131924",
  label: "#273146",
};

const LIGHT: typeof DARK = {
  up: "#0b8a5f",
  down: "#c93348",
  accent: "#2263c9",
  amber: "#8a5c00",
  text: "#586477",
  line: "#dde3ec",
  faint: "#8793a5",
  grid: "#edf1f6",
  label: "#4b576b",
};

let query: MediaQueryList | undefined;
const lightQuery = (): MediaQueryList => (query ??= matchMedia("(prefers-color-scheme: light)"));
const isLight = (): boolean => lightQuery().matches;

/** The colours of the scheme that the browser asks for; a chart takes them when it is made. */
export const colors = (): typeof DARK => (isLight() ? LIGHT : DARK);

/** The scheme, as a key: a chart is made anew when it changes. */
export function useScheme(): "light" | "dark" {
  return useSyncExternalStore(
    (listener) => {
      lightQuery().addEventListener("change", listener);
      return () => lightQuery().removeEventListener("change", listener);
    },
    () => (isLight() ? "light" : "dark"),
    () => "dark",
  );
}

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

export function options(): DeepPartial<ChartOptions> {
  const chosen = colors();
  return {
    autoSize: true,
    layout: {
      background: { type: ColorType.Solid, color: "transparent" },
      textColor: chosen.text,
      fontFamily: '"Inter Variable", system-ui, sans-serif',
      fontSize: 11,
      // the attribution is in the page's footer; the logo needs an inline style, which we forbid
      attributionLogo: false,
      panes: { separatorColor: chosen.line, separatorHoverColor: chosen.faint, enableResize: false },
    },
    grid: { vertLines: { color: chosen.grid }, horzLines: { color: chosen.grid } },
    crosshair: {
      mode: CrosshairMode.Normal,
      vertLine: { color: chosen.faint, labelBackgroundColor: chosen.label },
      horzLine: { color: chosen.faint, labelBackgroundColor: chosen.label },
    },
    rightPriceScale: { borderVisible: false, minimumWidth: 66 },
    timeScale: {
      borderColor: chosen.line,
      timeVisible: true,
      secondsVisible: false,
      rightOffset: 4,
      tickMarkFormatter: tick,
    },
    localization: { locale: "en-GB", timeFormatter: (at: Time) => `${timeText(Number(at) * 1000)} UTC` },
    handleScroll: { vertTouchDrag: false },
  };
}
