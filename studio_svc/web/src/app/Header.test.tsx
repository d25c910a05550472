import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import { READY } from "../api/known";
import { text } from "../ui/fixtures";
import { Header } from "./Header";

describe("the header", () => {
  it("names every service and its state", () => {
    const markup = renderToStaticMarkup(
      <Header
        connection="live"
        eventTime={1_519_864_200_000}
        settledTime={null}
        page="trading"
        picked="kraken:BTC/USD:30m"
        configuration="c"
        openGaps={0}
        isRecorded
        mode="PAPER"
        healthKnown={READY}
        health={[
          { service: "signal_svc", up: true, ready: true, detail: "ready", trouble: null },
          { service: "rl_svc", up: true, ready: false, detail: "waiting for kafka", trouble: null },
          { service: "executor_svc", up: false, ready: false, detail: "does not answer", trouble: null },
          { service: "market_ingest", up: true, ready: true, detail: "ready", trouble: "No market" },
        ]}
      />,
    );
    expect([...markup.matchAll(/data-state="(\w+)"/g)].map(([, state]) => state)).toEqual([
      "ready",
      "waiting",
      "down",
      "waiting",
    ]);
    expect(text(markup)).toContain("Replay time 2018-03-01 00:30 UTC");
    // back to what was shown
    expect(markup).toContain('href="/?series=kraken%3ABTC%2FUSD%3A30m&amp;configuration=c"');
    expect(markup).toContain("rl_svc: waiting for kafka");
    expect(markup).toContain("market_ingest: No market");
  });
});
