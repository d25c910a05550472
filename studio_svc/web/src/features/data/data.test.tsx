import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import { gap, subscription } from "../../api/fixtures";
import type { Coverage, Venue } from "../../api/types";
import { DAY_MS } from "../../charts/heat/heat";
import { initial, reduce } from "../../live/state";
import { type Known, LOADING, READY } from "../../api/known";
import { text } from "../../ui/fixtures";
import { CoverageMap } from "./Coverage";
import { Gaps, repairText, TriedList, why } from "./Gaps";
import { bounds, MarketData } from "./MarketData";
import { Subscriptions } from "./Subscriptions";

const nothing = (): void => undefined;
const venues: Venue[] = [
  { name: "kraken", timeframes: [{ timeframe: "1m", is_native: true }, { timeframe: "3m", is_native: false }] },
];

describe("subscriptions", () => {
  const rows = [
    subscription("kraken:BTC/USD:1m"),
    subscription("kraken:ETH/USD:1m", { behind_ms: 5_400_000 }),
    subscription("kraken:NO/USD:1m", { state: "trouble", trouble: "kraken has no NO/USD", last_close: null, behind_ms: null }),
    subscription("kraken:XRP/USD:1m", { state: "waiting", behind_ms: null }),
  ];

  it("show state, trouble and lag", () => {
    const shown = text(
      renderToStaticMarkup(<Subscriptions known={READY} subscriptions={{ replicas: 1, series: rows }} venues={venues} isRecorded={false} />),
    );
    expect(shown).toContain("4 series, 1 market_ingest runs");
    expect(shown).toContain("BTC/USD 1m kraken followed 03-01 00:30 up to date remove");
    expect(shown).toContain("ETH/USD 1m kraken followed 03-01 00:30 1.5 h behind");
    expect(shown).toContain("trouble – no candle yet remove kraken has no NO/USD");
    expect(shown).toContain("XRP/USD 1m kraken waits");
    expect(shown).not.toContain("No live market_ingest");
  });

  it("say when nobody follows them", () => {
    const shown = (isRecorded: boolean) =>
      text(renderToStaticMarkup(<Subscriptions known={READY} subscriptions={{ replicas: 0, series: [] }} venues={venues} isRecorded={isRecorded} />));
    expect(shown(true)).toContain("when one does; this run replays recorded candles.");
    expect(shown(false)).toContain("subscriptions take effect when one does.");
    expect(shown(true)).toContain("No series is subscribed.");
    const unknown = text(
      renderToStaticMarkup(<Subscriptions known={LOADING} subscriptions={null} venues={[]} isRecorded={null} />),
    );
    expect(unknown).not.toContain("No live market_ingest");
    expect(unknown).not.toContain("No series is subscribed");
  });
});

describe("gaps", () => {
  const show = (found: Parameters<typeof Gaps>[0]["found"], status = "open", known: Known = READY) =>
    text(renderToStaticMarkup(<Gaps found={found} known={known} status={status} onStatus={nothing} />));

  it("tell cause, how sure it is, why, and what became of it", () => {
    const likely = gap(2, { cause: "missed", sure: false, attempts: 2, candles: 1 });
    const bad = gap(3, { kind: "zero_volume", cause: null, status: "unrepairable" });
    const shown = show({ gaps: [gap(1), likely, bad], is_cut: false });
    expect(shown).toContain("BTC/USD 30m kraken 1970-01-01 00:00 2 candles outage sure The venue was down open");
    expect(shown).toContain("1 candle missed likely The venue was down open, tried 2×");
    expect(shown).toContain("zero volume");
    expect(shown).not.toContain("the last 3");
    expect(show({ gaps: [gap(1)], is_cut: true })).toContain("the last 1");
  });

  it("say what there is none of", () => {
    expect(show({ gaps: [], is_cut: false })).toContain("No gap is open in what was scanned.");
    expect(show({ gaps: [], is_cut: false }, "repaired")).toContain("No gap is repaired.");
  });

  it("claim nothing while it is not known", () => {
    const failed: Known = { state: "failed", reason: "the database does not answer" };
    expect(show(null, "open", failed)).toContain("Not known: the database does not answer ask again");
    expect(show(null, "open", failed)).not.toContain("No gap is");
    expect(show(null, "open", LOADING)).not.toContain("No gap is");
    const old = show({ gaps: [gap(1)], is_cut: false }, "open", failed);
    expect(old).toContain("Not up to date: the database does not answer");
    expect(old).toContain("The venue was down");
  });

  it("name what mended them", () => {
    expect(repairText(gap(1, { status: "repaired", repaired_by: "venue,trades" }))).toBe("repaired by venue, trades");
    expect(why(gap(1, { sentence: "short" }))).toBe("Short");
    const tried = { at: 0, step: "finer", timeframe: "1m", candles: 3, outcome: "part", note: "3 of 5 made" };
    expect(text(renderToStaticMarkup(<TriedList tried={[tried]} />))).toBe(
      "1970-01-01 00:00 built from a finer timeframe: 3 of 5 made",
    );
    expect(text(renderToStaticMarkup(<TriedList tried={[]} />))).toBe("No repair was tried yet.");
  });
});

describe("coverage", () => {
  const coverage: Coverage = {
    days: [0, DAY_MS],
    series: [
      { series: "kraken:BTC/USD:30m", expected: [48, 48], present: [48, 43], missing: [0, 5], zero_volume: [0, 0], synthetic: [0, 0] },
    ],
  };

  it("is told in words and as a drawing", () => {
    const markup = renderToStaticMarkup(<CoverageMap coverage={coverage} gaps={[]} />);
    expect(markup).toContain('data-missing="5"');
    expect(markup).toContain('class="level most"');
    expect(markup).toContain('class="mark unknown"');
    expect(text(markup)).toContain("5 of 96 candles missing in this range.");
    expect(text(markup)).toContain("BTC/USD 30m −5 candles missing, 94.79 % there");
    expect(text(markup)).toContain("venue was down missed by us no trade cause not known made up (synthetic)");
  });

  it("is of whole days that end with the last visible one", () => {
    expect(bounds(null, { days: 30, back: 0 })).toBeNull();
    expect(bounds(100 * DAY_MS, { days: 30, back: 0 })).toEqual({ start: 70 * DAY_MS, end: 100 * DAY_MS });
    expect(bounds(99.5 * DAY_MS, { days: 30, back: 1 })).toEqual({ start: 40 * DAY_MS, end: 70 * DAY_MS });
    expect(bounds(5 * DAY_MS, { days: 30, back: 0 })).toEqual({ start: 0, end: 5 * DAY_MS });
  });

  it("waits for the first candle", () => {
    const page = (state: typeof initial) => text(renderToStaticMarkup(<MarketData state={state} isRecorded />));
    expect(page(initial)).not.toContain("No candle is stored yet.");
    const empty = { until: null, open_gaps: 0, open_candles: 0, version: "" };
    const told = reduce(initial, { type: "update", update: { event_time: null, market_data: empty } });
    expect(page(told)).toContain("No candle is stored yet.");
    const known = reduce(initial, {
      type: "update",
      update: { event_time: null, market_data: { until: 5 * DAY_MS, open_gaps: 1, open_candles: 2, version: "1" } },
    });
    expect(text(renderToStaticMarkup(<MarketData state={known} isRecorded />))).toContain("1970-01-01 to 1970-01-05");
  });
});
