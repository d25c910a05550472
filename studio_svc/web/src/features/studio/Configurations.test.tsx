import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import type { Configuration, ConfigurationEvent } from "../../api/types";
import { READY } from "../../api/known";
import { text } from "../../ui/fixtures";
import { Configurations } from "./Configurations";
import { Events } from "./History";

const configuration: Configuration = {
  configuration_id: "c",
  revision: 1,
  strategy: "sma_cross",
  series: "kraken:BTC/USD:30m",
  symbol: "BTC/USD",
  params: { fast: 12, slow: 55.5, trail_atr: 0 },
  share: 1,
  stage: "PAPER",
  is_active: true,
  retired: false,
  edited_from: null,
  in_sample: { net_profit_pct: 18.44, sharpe: 1.234, trades: 90, gross_win_rate: 0.5 },
  out_of_sample: { net_profit_pct: -2.5, sharpe: null, trades: 0, gross_win_rate: null },
  trials: 400,
  validated_at: null,
  passed: null,
  gates: null,
  gates_passed: null,
  paper_trades: 0,
  paper_profit: "0",
};

describe("configurations", () => {
  it.each([
    [<Configurations known={READY} configurations={[]} isTraining />, "Waiting for the training job"],
    [<Configurations known={READY} configurations={[]} isTraining={false} />, "No configuration yet"],
  ])("say what is awaited, %#", (panel, said) => {
    expect(text(renderToStaticMarkup(panel))).toContain(said);
  });

  it("show out-of-sample beside in-sample, never one alone, with the trials", () => {
    const markup = renderToStaticMarkup(
      <Configurations known={READY} configurations={[configuration]} isTraining={false} />,
    );
    const shown = text(markup);
    expect(shown).toContain("In-sample Out-of-sample On paper");
    expect(shown).toContain("fast 12, slow 55.5 ");
    expect(shown).toContain("400 +18.4 – 1.23 50 90 −2.5 – – – 0 – 0 –");
    expect(shown).toContain("paper active");
  });

  it("show how many gates were passed, and link to the report", () => {
    const judged = { ...configuration, validated_at: 0, passed: false, gates: 8, gates_passed: 6 };
    const markup = renderToStaticMarkup(<Configurations known={READY} configurations={[judged]} isTraining={false} />);
    expect(markup).toContain('href="/api/configurations/c/report.html"');
    expect(text(markup)).toContain("6 of 8");
    expect(markup).toContain("Report of 1970-01-01 00:00 UTC: refused");
    const waits = { ...configuration, stage: "VALIDATION", is_active: false };
    const shown = renderToStaticMarkup(<Configurations known={READY} configurations={[waits]} isTraining={false} />);
    expect(text(shown)).toContain("– 0 waiting 0 –");
    expect(shown).not.toContain("report.html");
    const gone = { ...configuration, stage: "DECAY", is_active: false, retired: true };
    const told = text(renderToStaticMarkup(<Configurations known={READY} configurations={[gone]} isTraining={false} />));
    expect(told).toContain("retired");
    expect(told).not.toContain("decay");
  });

  it("tell a configuration's history, newest first, with reason and evidence", () => {
    const event: ConfigurationEvent = {
      at: 0,
      from_stage: null,
      to_stage: "DISCOVERY",
      is_active: false,
      reason: "best of 400",
      evidence: {},
      by_person: false,
    };
    const refused = {
      ...event,
      at: 60_000,
      from_stage: "VALIDATION",
      reason: "refused <by> two",
      evidence: { refused_by: ["cost_stress", "overfitting"], report_id: 7, detail: { a: 1 } },
    };
    const moved = { ...event, at: 120_000, to_stage: "PAPER", from_stage: "PAPER", is_active: true, by_person: true };
    const shown = text(renderToStaticMarkup(<Events events={[event, refused, moved]} />));
    expect(shown).toBe(
      "1970-01-01 00:02 paper active by hand best of 400 " +
        "1970-01-01 00:01 validation → discovery refused &lt;by&gt; two " +
        "refused by cost stress, overfitting · report id 7 " +
        "1970-01-01 00:00 discovery best of 400",
    );
  });
});
