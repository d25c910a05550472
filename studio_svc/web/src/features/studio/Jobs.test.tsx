import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import type { Job } from "../../api/types";
import { READY } from "../../api/known";
import { text } from "../../ui/fixtures";
import { JobProgress, Jobs } from "./Jobs";

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
  heartbeat_at: null,
};

describe("jobs", () => {
  it.each([
    [<Jobs known={READY} jobs={[]} />, "No job yet"],
  ])("say what is awaited, %#", (panel, said) => {
    expect(text(renderToStaticMarkup(panel))).toContain(said);
  });

  it("list jobs with what they are about, their progress and why they failed", () => {
    const spec = { configuration_id: "c", strategy: "sma_cross", series: "kraken:BTC/USD:30m" };
    const validating: Job = { ...job, job_id: "v", kind: "validation", spec, done: 40, total: 100 };
    const failed: Job = { ...job, job_id: "f", status: "FAILED", error: "no candles of BTC/USD" };
    const waits: Job = { ...job, job_id: "w", status: "QUEUED" };
    const markup = renderToStaticMarkup(<Jobs known={READY} jobs={[validating, waits, failed]} />);
    const shown = text(markup);
    expect(shown).toContain("validation sma cross on BTC/USD 40 % cancel");
    expect(shown).toContain("waits for a worker cancel");
    expect(shown).toContain("failed no candles of BTC/USD");
    expect(markup).toContain('value="40"');
    const cancelled = { ...validating, cancel_requested: true };
    expect(text(renderToStaticMarkup(<Jobs known={READY} jobs={[cancelled]} />))).toContain("being cancelled");
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
});
