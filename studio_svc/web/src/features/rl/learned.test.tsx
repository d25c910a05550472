import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import type { Fetched } from "../../api/fetched";
import { RefusalError } from "../../api/client";
import { position } from "../../api/fixtures";
import { type Known, LOADING, READY } from "../../api/known";
import type { Allocations, Drift, Job, Model, RlStatus } from "../../api/types";
import { initial } from "../../live/state";
import { text } from "../../ui/fixtures";
import { Baselines } from "./Baselines";
import { failureOf } from "./check";
import { detail, job, model, report, status, vector } from "./fixtures";
import { GateList } from "./Gates";
import { cashLine, exposures, lines } from "./held";
import { intervals } from "./interval";
import { grown } from "./JobCurves";
import { viewOf } from "./links";
import { ModelStatus, stillTrading } from "./ModelStatus";
import { PortfolioWeights, withPushed } from "./PortfolioWeights";
import { daysLeft, gatesOf, measured, objections, policyWords, reportOf, smallestText } from "./report";
import { allocationsPath, RlPortfolio } from "./RlPortfolio";
import { EMPTY, specOf } from "./spec";
import { partsOf, segments } from "./split";
import { staleText } from "./stale";
import { TrainingHistory } from "./TrainingHistory";
import { Verdict } from "./TrainForm";
import { chosenJob, leftMs, progressText, silentMs } from "./TrainingPanel";
import { lastDay, shareOfBound, Watch, worstPsi } from "./Watch";

const DAY = 86_400_000;
const nothing = (): void => undefined;
const FAILED: Known = { state: "failed", reason: "the database does not answer" };
const fetched = <Answer,>(answer: Answer | null, known: Known = READY, refusal: number | null = null): Fetched<Answer> => ({
  answer, known, status: refusal, of: "q", again: nothing,
});
const shown = (element: React.ReactElement): string => text(renderToStaticMarkup(element));
const view = viewOf("");

describe("the page of learned weights", () => {
  it("claims nothing while nothing is known", () => {
    const page = shown(<RlPortfolio state={initial} />);
    expect(page).not.toMatch(/No model|No weights|No training yet|cannot train|\b0\b/);
    expect(page).toContain("Asking");
  });

  it("reads what to show from the address", () => {
    expect(viewOf("?model=m&with=n&job=j&stage=ACTIVE&shadow=s&days=7&view=table")).toEqual({
      model: "m", beside: "n", job: "j", stage: "ACTIVE", shadow: "s", days: 7, isTable: true,
    });
    expect(viewOf("?days=12").days).toBe(30);
    expect(allocationsPath({ days: 0, shadow: null }, 5 * DAY)).toBe("rl/allocations?points=500");
    expect(allocationsPath({ days: 7, shadow: "s" }, 9.5 * DAY)).toBe(`rl/allocations?points=500&start=${3 * DAY}&shadow=s`);
    expect(allocationsPath({ days: 7, shadow: null }, DAY)).toBe("rl/allocations?points=500&start=0");
  });
});

describe("model status", () => {
  const panel = (found: Fetched<RlStatus>, eventTime: number | null = null) =>
    shown(
      <ModelStatus status={found} stale={null} pushed={null} eventTime={eventTime} configurations={null} version="" onDone={nothing} />,
    );

  it("says that no model decides only when that is known", () => {
    const last = vector(0, {}, { policy: "inverse_volatility" });
    expect(panel(fetched(status({ last })))).toContain("No model decides : inverse volatility weights.");
    expect(panel(fetched(status()))).toContain("No model decides , and no weights were decided yet.");
    expect(panel(fetched<RlStatus>(null, LOADING))).not.toContain("No model");
    expect(panel(fetched<RlStatus>(null, FAILED))).toContain("Not known: the database does not answer ask again");
    expect(panel(fetched(status({ last }), FAILED))).toContain("Not up to date: the database does not answer");
  });

  it("shows the active model, the reason of its override, its fallbacks and who is in shadow", () => {
    const active = model("bold", { stage: "ACTIVE", overrides: ["refused. Reason: to see"] });
    const told = panel(
      fetched(
        status({
          active,
          last: vector(2 * DAY, {}, { model_id: active.model_id, policy: "ppo:bold" }),
          recent: { since: 0, until: 2 * DAY, closes: 200, fallbacks: [{ reason: "sum", sentence: "it summed to more", closes: 5 }] },
          promoted: { at: 0, from_stage: "REFUSED", to_stage: "ACTIVE", reason: "to see", by_person: true, evidence: {} },
          former: model("past", { stage: "RETIRED" }),
          shadows: [model("next", { stage: "SHADOW", stage_since: Date.now() - 5 * DAY })],
        }),
      ),
      3 * DAY,
    );
    expect(told).toContain("bold bold-444 active decides the weights Set aside: refused. Reason: to see");
    expect(told).toContain("Since 1970-01-01 00:00 UTC by this machine&#x27;s clock, by a person Retire");
    expect(told).toContain("Roll back to past …");
    expect(told).toContain("Its age, event time 1 d");
    expect(told).toContain("2.5 % 5 of 200 closes 5× it summed to more");
    expect(told).toContain("next next-444 shadow 9.0 of 14 days left");
  });

  it("counts the configurations that still trade, where it knows which do", () => {
    const one = detail("m");
    expect(stillTrading(one, null)).toBeNull();
    const rows = [{ configuration_id: "a", is_active: true }, { configuration_id: "b", is_active: false }];
    expect(stillTrading(one, rows as never)).toBe(1);
  });
});

describe("weights that do not follow", () => {
  it("are old after some closes in which nothing moved", () => {
    const told = { closed: 10 * DAY, eventTime: 12 * DAY, lengthMs: DAY / 2, isRecorded: true, stillMs: 5_000 };
    expect(staleText(told)).toBe(
      "2 d behind the candles: the last weights are those of 1970-01-11 00:00 UTC. See whether rl_svc is ready.",
    );
    expect(staleText({ ...told, stillMs: 4_000 })).toBeNull();
    expect(staleText({ ...told, eventTime: 11.4 * DAY })).toBeNull();
    expect(staleText({ ...told, eventTime: 11.4 * DAY, isRecorded: false })).not.toBeNull();
    expect(staleText({ ...told, closed: null })).toBeNull();
    expect(staleText({ ...told, eventTime: null })).toBeNull();
    expect(staleText({ ...told, lengthMs: null })).toBeNull();
  });
});

describe("drift", () => {
  const day = (at: number, fields = {}) => ({ day: at, clipped: null, psi: {}, excess: null, evidence: null, bound: 4.6, ...fields });
  const drift = (days: ReturnType<typeof day>[]) => ({ model_id: "m", as_of: null, days, configurations: 2, still_active: 1, warnings: ["other signals"] });

  it("is told of the last day that was measured", () => {
    const measuredDay = day(DAY, { clipped: 0.012, psi: { r1: 0.1, r24: 0.31 }, evidence: 2.3 });
    expect(lastDay(drift([day(0), measuredDay, day(2 * DAY)]))?.day).toBe(DAY);
    expect(worstPsi(measuredDay)).toEqual({ feature: "r24", value: 0.31 });
    const told = shown(<Watch drift={fetched(drift([measuredDay]))} />);
    expect(told).toContain("other signals Observations out of range 1.20 %");
    expect(told).toContain("0.310 r24");
    expect(told).toContain("2.30 of 4.60");
    const shares = [shareOfBound(0.2, 100), shareOfBound(1, 100), shareOfBound(10, 100), shareOfBound(900, 100), shareOfBound(2, 0)];
    expect(shares).toEqual([0, 0, 0.5, 1, 0]);
  });

  it("is not measured where nothing measures it, and not known where the question failed", () => {
    expect(shown(<Watch drift={fetched<Drift>(null, FAILED, 404)} />)).toBe("Not measured.");
    expect(shown(<Watch drift={fetched(drift([day(0)]))} />)).toBe("Not measured.");
    expect(shown(<Watch drift={fetched<Drift>(null, FAILED, 503)} />)).toContain("the database does not answer");
    expect(shown(<Watch drift={fetched<Drift>(null, LOADING)} />)).toBe("…");
  });
});

describe("weights", () => {
  const last = vector(DAY, { "k:A/USD": 0.5, "k:B/USD": 0.2 }, { missing: ["k:C/USD"] });
  const held = new Map([["k:A/USD", 0.3], ["k:D/USD", -0.1]]);

  it("stand beside what is held", () => {
    expect(lines(last, held)).toEqual([
      { instrument: "k:A/USD", target: 0.5, held: 0.3, isMissing: false },
      { instrument: "k:B/USD", target: 0.2, held: 0, isMissing: false },
      { instrument: "k:D/USD", target: null, held: -0.1, isMissing: false },
      { instrument: "k:C/USD", target: null, held: 0, isMissing: true },
    ]);
    expect(lines(last, null).map((one) => one.held)).toEqual([null, null, null]);
    expect(cashLine(last, held)).toEqual({ target: 0.30000000000000004, held: 0.6 });
    expect(cashLine(last, null).held).toBeNull();
  });

  it("are held as the positions' notional of the equity", () => {
    const one = position("1", { series: "k:A/USD:30m", quantity: "2", last_price: 100 });
    const short = position("2", { series: "k:A/USD:1h", side: "short", quantity: "1", last_price: 100 });
    expect(exposures([one, short], 1_000)).toEqual(new Map([["k:A/USD", 0.1]]));
    expect(exposures([one, { ...short, last_price: null }], 1_000)).toBeNull();
    expect(exposures([one], null)).toBeNull();
    expect(exposures([], 1_000)?.size).toBe(0);
  });

  const panel = (found: Fetched<Allocations>, positions: Parameters<typeof PortfolioWeights>[0]["positions"]) =>
    shown(<PortfolioWeights allocations={found} pushed={null} positions={positions} equity={1_000} stale={null} shadows={[]} view={view} />);

  it("say what is not known", () => {
    const found = { closes: 40, every: 2, vectors: [vector(0, { "k:A/USD": 1 }), last] };
    const told = panel(fetched(found), null);
    expect(told).toContain("Last decision 1970-01-02 00:00 UTC by equal · every 2th close is drawn");
    expect(told).toContain("A/USD 50.0 % not known –");
    expect(told).toContain("C/USD missing: too few returns – not known");
    expect(panel(fetched(found), [])).toContain("A/USD 50.0 % 0.0 % −50.0");
    expect(panel(fetched({ closes: 0, every: 1, vectors: [] }), [])).toContain("No weights were decided in this range");
    expect(panel(fetched<Allocations>(null, FAILED), [])).not.toContain("No weights");
  });

  it("grow by what is pushed", () => {
    expect(withPushed([last], vector(2 * DAY, {}))).toHaveLength(2);
    expect(withPushed([last], last)).toHaveLength(1);
    expect(withPushed([], last)).toHaveLength(0);
    expect([policyWords("ppo:1a2b"), policyWords("inverse_volatility")]).toEqual(["model 1a2b", "inverse volatility"]);
  });
});

describe("training history", () => {
  const panel = (models: Fetched<Model[]>, jobs: Fetched<Job[]>, asked = view) =>
    shown(
      <TrainingHistory models={models} jobs={jobs} status={status()} configurations={null} view={asked} version="" onDone={nothing} />,
    );

  it("says why there is nothing and what to do", () => {
    expect(panel(fetched([]), fetched([]))).toContain("No model was trained yet: start a training below");
    expect(panel(fetched<Model[]>(null, FAILED), fetched([]))).not.toContain("No model");
    expect(panel(fetched<Model[]>(null, LOADING), fetched<Job[]>(null, LOADING))).not.toContain("No model");
  });

  it("lists models with their gates, and trainings that led to none", () => {
    const models = [model("bold", { stage: "ACTIVE", overrides: ["x"] }), model("calm", { job_id: "j" })];
    const jobs = [job("j", { status: "SUCCEEDED" }), job("k", { status: "FAILED", error: "no candles", spec: { name: "wide" } })];
    const told = panel(fetched(models), fetched(jobs));
    expect(told).toContain("bold bold-444 active override 1 of 2 −59.84 % 2 refused by 1 of 2 gates");
    expect(told).toContain("wide failed 1970-01-01 00:00 UTC no candles");
    expect(told).not.toContain("training j");
    const first = panel(fetched<Model[]>([]), fetched([job("k", { spec: { name: "wide" } })]));
    expect(first).toContain("wide trains");
    expect(first).not.toMatch(/No model/);
    expect(told).toContain("Refusal is the normal result");
    const some = panel(fetched(models), fetched(jobs), viewOf("?stage=ACTIVE"));
    expect(some).not.toContain("calm");
    expect(panel(fetched(models), fetched(jobs), viewOf("?stage=SHADOW"))).toContain("No model is in this stage.");
  });

  it("puts refused gates first, with what they asked", () => {
    expect(gatesOf(model("m")).map((one) => one.name)).toEqual(["baselines", "test_days"]);
    expect(gatesOf(model("m")).map(measured)).toEqual([
      "−59.84 %, must be above 0.00 %",
      "142, must be at least 90",
    ]);
    expect(shown(<GateList model={model("m")} />)).toMatch(/^refused Beats every baseline/);
    expect(measured({ name: "g", title: "g", passed: false, verdict: "", figure: null, threshold: 1, unit: "", comparison: "<=" })).toBe(
      "undefined, must be at most 1",
    );
    expect(measured({ name: "g", title: "g", passed: true, verdict: "" })).toBe("");
  });

  it("shows the baselines by part, and which difference crosses 0", () => {
    const markup = renderToStaticMarkup(<Baselines report={report()} />);
    expect(text(markup)).toContain("m +3.3 – 8.0 0.30 1.2");
    expect([...markup.matchAll(/data-crosses="(\w+)"/g)].map(([, crosses]) => crosses)).toEqual(["true", "false"]);
    expect(text(markup)).toContain("equal weights +4.0 % sure of −4.0 %, chance 20.0 %");
    expect(intervals(report().compared)).toEqual({
      zero: 40,
      bars: [{ from: 0, width: 80, at: 80 }, { from: 50, width: 50, at: 100 }],
    });
    expect(intervals([])).toEqual({ zero: 0, bars: [] });
  });

  it("tells what the range could have shown", () => {
    expect(smallestText(report())).toBe(
      "The smallest excess over equal weights that the 20 days of the test range could have shown is 11.27 %, a Sharpe " +
        "ratio of about 2.6; what was found is +4.00 %.",
    );
    expect(smallestText(report({ smallest_excess_pct: null }))).toContain("did what equal weights did");
    expect(reportOf({ report: {} })).toBeNull();
    expect(reportOf({ report: { ...report() } as never })?.looks).toBe(2);
  });

  it("knows what a promotion sets aside", () => {
    const now = 20 * DAY;
    expect(objections(model("m"), "SHADOW", 14, now)).toEqual([model("m").verdict]);
    const passed = { passed: true, stage: "CANDIDATE" } as const;
    expect(objections(model("m", passed), "SHADOW", 14, now)).toEqual([]);
    expect(objections(model("m", passed), "ACTIVE", 14, now)).toEqual(["it is not in SHADOW, where a model stays 14 days"]);
    const shadow = model("m", { passed: true, stage: "SHADOW", stage_since: 10 * DAY });
    expect(objections(shadow, "ACTIVE", 14, now)).toEqual(["it has 4.0 of 14 days in SHADOW left"]);
    expect(objections({ ...shadow, stage_since: 0 }, "ACTIVE", 14, now)).toEqual([]);
    expect(objections(model("m", { passed: true, stage: "RETIRED" }), "SHADOW", 14, now)).toEqual(["it was retired"]);
    expect(daysLeft({ stage_since: 0 }, 14, now)).toBe(0);
  });
});

describe("training", () => {
  it("is asked for by what was filled in, the rest is the server's", () => {
    expect(specOf(EMPTY)).toEqual({ spec: {}, wrong: [] });
    const filled = {
      name: " wide ", chosen: ["a"], start: "2018-03-01", end: "2018-04-01", overlap: "to learn",
      figures: { seeds: "4", fee: "0.002", steps: " " }, ppo: { clip_range: "0.1" },
    };
    expect(specOf(filled)).toEqual({
      spec: {
        name: "wide", configurations: ["a"], start: 1_519_862_400_000, end: 1_522_540_800_000,
        allow_overlap: "to learn", seeds: 4, fee: 0.002, ppo: { clip_range: 0.1 },
      },
      wrong: [],
    });
    const wrong = { ...EMPTY, chosen: [], start: "2018-03-02", end: "2018-03-01", figures: { seeds: "1.5", fee: "x", steps: "-1" } };
    expect(specOf(wrong).wrong).toEqual([
      "Choose at least one configuration.",
      "The range begins before it ends.",
      "Seeds is a whole number.",
      "Steps is a number of 0 or more.",
      "Fee is a number of 0 or more.",
    ]);
  });

  it("says what stands against it", () => {
    const check = { refusals: ["too short"], warnings: ["an overlap"], seconds: 90, embargo_days: 9, parts: null, configurations: [], trainer: false, free_bytes: null };
    const told = shown(<Verdict checked={{ state: "told", check }} wrong={[]} />);
    expect(told).toContain("No trainer runs here, so a training waits: it needs torch. Install it with make rl");
    const said = { ...check, warnings: ["no trainer is running: start it"] };
    expect(shown(<Verdict checked={{ state: "told", check: said }} wrong={[]} />)).toBe("too short no trainer is running: start it");
    expect(told).toContain("too short an overlap");
    expect(shown(<Verdict checked={{ state: "cannot" }} wrong={[]} />)).toContain("This server cannot train");
    expect(failureOf(new RefusalError("x", 404))).toEqual({ state: "cannot" });
    expect(failureOf(new RefusalError("seeds", 422))).toEqual({ state: "refused", reason: "seeds" });
    expect(failureOf(new RefusalError("away", 503))).toEqual({ state: "failed", reason: "away" });
    expect(failureOf(new Error("gone"))).toEqual({ state: "failed", reason: "gone" });
  });

  it("splits time with embargoes between", () => {
    const found = segments(report().parts);
    expect(found.map(({ name, days }) => [name, days])).toEqual([
      ["train", 60], ["embargo", 9], ["validation", 20], ["embargo", 9], ["test", 20],
    ]);
    expect(found.reduce((sum, one) => sum + one.share, 0)).toBeCloseTo(1);
    expect(partsOf({ ...report().parts })).toEqual(report().parts);
    expect(partsOf({ train: report().parts.train })).toBeNull();
    expect(partsOf(null)).toBeNull();
    expect(segments({ ...report().parts, test: { start: 0, end: 0, days: 0 } })).toEqual([]);
  });

  it("tells how far a training is", () => {
    expect(leftMs(job("j"), 1_000)).toBe(3_000);
    expect(leftMs(job("j", { status: "QUEUED" }), 1_000)).toBeNull();
    expect(leftMs(job("j", { done: 0 }), 1_000)).toBeNull();
    expect([job("j"), job("j", { done: 0 }), job("j", { done: 1_000 }), job("j", { status: "QUEUED" }), job("j", { status: "FAILED", total: 0 })].map(progressText)).toEqual([
      "250 of 1,000 steps over all seeds",
      "candles, signals and baselines come first",
      "all 1,000 steps are taken, the gates come next",
      "its turn comes when a trainer is free",
      "250 of – steps over all seeds",
    ]);
    expect(silentMs(job("j", { heartbeat_at: 0 }), 20_000)).toBe(20_000);
    expect(silentMs(job("j", { heartbeat_at: 0 }), 9_000)).toBeNull();
    const all = [job("a"), job("b")];
    expect([chosenJob(all, null)?.job_id, chosenJob(all, "b")?.job_id, chosenJob(all, "c"), chosenJob([], null)]).toEqual([
      "a", "b", null, null,
    ]);
    expect([grown(0.05), grown(0)]).toEqual(["+5.1 %", "0.0 %"]);
  });
});
