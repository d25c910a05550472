import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import { order, overview, position, trade } from "../api/fixtures";
import type { Configuration, ConfigurationEvent, Job } from "../api/types";
import { Orders, Positions, Trades } from "../features/orders/Account";
import { Signals, Weights } from "../features/orders/Decisions";
import { Figures } from "../features/overview/Figures";
import { Configurations } from "../features/studio/Configurations";
import { Events } from "../features/studio/History";
import { JobProgress, Jobs } from "../features/studio/Jobs";
import { Header } from "./Header";

const text = (markup: string) => markup.replace(/<[^>]+>/g, " ").replace(/\s+/g, " ").trim();

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

const job: Job = {
  job_id: "j",
  kind: "search",
  status: "RUNNING",
  done: 118,
  total: 300,
  cancel_requested: false,
  spec: {},
  error: null,
  created_at: 1,
  started_at: 1,
  finished_at: null,
};

describe("empty panels say what is awaited", () => {
  it.each([
    [<Positions positions={[]} />, "No position is open"],
    [<Orders orders={[]} />, "Waiting for the first order"],
    [<Trades trades={[]} total={0} />, "Waiting for the first closed trade"],
    [<Signals signals={[]} />, "Waiting for the first signal"],
    [<Weights weights={null} />, "Waiting for the first weights"],
    [<Configurations configurations={[]} isTraining />, "Waiting for the training job"],
    [<Configurations configurations={[]} isTraining={false} />, "No configuration yet"],
    [<Jobs jobs={[]} />, "No job yet"],
  ])("%#", (panel, said) => {
    expect(text(renderToStaticMarkup(panel))).toContain(said);
  });
});

describe("panels", () => {
  it("show a refusal with its reason", () => {
    const refused = order("a", { status: "REFUSED", quantity: "0", reason: "signal is stale" });
    const shown = text(renderToStaticMarkup(<Orders orders={[refused]} />));
    expect(shown).toContain("refused signal is stale");
  });

  it("show a position with its profit", () => {
    const held = position("p", { last_price: 110, unrealised: 19, unrealised_pct: 9.5 });
    const shown = text(renderToStaticMarkup(<Positions positions={[held]} />));
    expect(shown).toContain("BTC/USD long 2 · sma cross");
    expect(shown).toContain("+19.00 +9.50 %");
  });

  it("show a trade with its reason, and how many there are in all", () => {
    const closed = trade("t", { exit_reason: "take_profit" });
    const shown = text(renderToStaticMarkup(<Trades trades={[closed]} total={1234} />));
    expect(shown).toContain("last 1 of 1,234");
    expect(shown).toContain("target");
    expect(shown).toContain("+19.00");
  });

  it("show out-of-sample beside in-sample, never one alone, with the trials", () => {
    const markup = renderToStaticMarkup(
      <Configurations configurations={[configuration]} isTraining={false} />,
    );
    const shown = text(markup);
    expect(shown).toContain("In-sample Out-of-sample On paper");
    expect(shown).toContain("fast 12, slow 55.5 ");
    expect(shown).toContain("400 +18.4 – 1.23 50 90 −2.5 – – – 0 – 0 –");
    expect(shown).toContain("paper active");
  });

  it("show how many gates were passed, and link to the report", () => {
    const judged = { ...configuration, validated_at: 0, passed: false, gates: 8, gates_passed: 6 };
    const markup = renderToStaticMarkup(<Configurations configurations={[judged]} isTraining={false} />);
    expect(markup).toContain('href="/api/configurations/c/report.html"');
    expect(text(markup)).toContain("6 of 8");
    expect(markup).toContain("Report of 1970-01-01 00:00 UTC: refused");
    const waits = { ...configuration, stage: "VALIDATION", is_active: false };
    const shown = renderToStaticMarkup(<Configurations configurations={[waits]} isTraining={false} />);
    expect(text(shown)).toContain("– 0 waiting 0 –");
    expect(shown).not.toContain("report.html");
    const gone = { ...configuration, stage: "DECAY", is_active: false, retired: true };
    const told = text(renderToStaticMarkup(<Configurations configurations={[gone]} isTraining={false} />));
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

  it("list jobs with what they are about, their progress and why they failed", () => {
    const spec = { configuration_id: "c", strategy: "sma_cross", series: "kraken:BTC/USD:30m" };
    const validating: Job = { ...job, job_id: "v", kind: "validation", spec, done: 40, total: 100 };
    const failed: Job = { ...job, job_id: "f", status: "FAILED", error: "no candles of BTC/USD" };
    const waits: Job = { ...job, job_id: "w", status: "QUEUED" };
    const markup = renderToStaticMarkup(<Jobs jobs={[validating, waits, failed]} />);
    const shown = text(markup);
    expect(shown).toContain("validation sma cross on BTC/USD 40 % cancel");
    expect(shown).toContain("waits for a worker cancel");
    expect(shown).toContain("failed no candles of BTC/USD");
    expect(markup).toContain('value="40"');
    const cancelled = { ...validating, cancel_requested: true };
    expect(text(renderToStaticMarkup(<Jobs jobs={[cancelled]} />))).toContain("being cancelled");
  });

  it("show what weights leave in cash", () => {
    const weights = {
      portfolio: "main",
      close_time: 0,
      policy: "inverse_volatility",
      weights: { "kraken:ETH/USD": 0.25, "kraken:BTC/USD": 0.5 },
      missing: ["kraken:LTC/USD"],
    };
    const shown = text(renderToStaticMarkup(<Weights weights={weights} />));
    expect(shown).toContain("BTC/USD 50.0 % ETH/USD 25.0 % cash 25.0 %");
    expect(shown).toContain("inverse volatility");
    expect(shown).toContain("without LTC/USD");
  });

  it("show a job only while it runs or waits", () => {
    expect(text(renderToStaticMarkup(<JobProgress jobs={[job]} />))).toContain("118 of 300 trials");
    const spec = { strategies: ["sma_cross", "x"], symbols: ["BTC/USD"] };
    expect(text(renderToStaticMarkup(<JobProgress jobs={[{ ...job, spec }]} />))).toContain(
      "Training sma cross and x on BTC/USD 118",
    );
    const done = { ...job, status: "SUCCEEDED" };
    expect(renderToStaticMarkup(<JobProgress jobs={[done]} />)).toBe("");
    const waiting = { ...job, job_id: "w", status: "QUEUED", total: 0 };
    expect(text(renderToStaticMarkup(<JobProgress jobs={[done, waiting]} />))).toBe(
      "1 job waits for a worker.",
    );
    const many = ["a", "b", "c", "d"].map((id) => ({ ...job, job_id: id }));
    const shown = text(renderToStaticMarkup(<JobProgress jobs={[...many, waiting, { ...waiting, job_id: "x" }]} />));
    expect(shown.match(/of 300 trials/g)).toHaveLength(3);
    expect(shown).toContain("1 more run. 2 jobs wait for a worker.");
  });

  it("show the newest settled close before the overview", () => {
    const shown = text(
      renderToStaticMarkup(
        <Figures overview={overview({ win_rate: 0.25, trades: 4 })} point={[1, 11_000, 0, 5_500, 2]} />,
      ),
    );
    expect(shown).toContain("Equity 11,000.00 from 10,000 · 01-01 00:00");
    expect(shown).toContain("Net profit +10.00 %");
    expect(shown).toContain("Open positions 2 exposure 50 %");
    expect(shown).toContain("Win rate 25.0 %");
    expect(text(renderToStaticMarkup(<Figures overview={null} point={null} />))).toContain("Equity –");
  });

  it("name every service and its state", () => {
    const markup = renderToStaticMarkup(
      <Header
        connection="live"
        eventTime={1_519_864_200_000}
        settledTime={null}
        page="trading"
        picked={null}
        openGaps={0}
        isRecorded
        health={[
          { service: "signal_svc", up: true, ready: true, detail: "ready" },
          { service: "rl_svc", up: true, ready: false, detail: "waiting for kafka" },
          { service: "executor_svc", up: false, ready: false, detail: "does not answer" },
        ]}
      />,
    );
    expect([...markup.matchAll(/data-state="(\w+)"/g)].map(([, state]) => state)).toEqual([
      "ready",
      "waiting",
      "down",
    ]);
    expect(text(markup)).toContain("Replay time 2018-03-01 00:30 UTC");
    expect(markup).toContain("rl_svc: waiting for kafka");
  });
});
