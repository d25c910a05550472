import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";

import { BTC, overview, stored } from "../api/fixtures";
import { MarketData } from "../features/data/MarketData";
import { loaded } from "../live/fixtures";
import type { Part } from "../live/messages";
import { initial, recorded, reduce, type State } from "../live/state";
import { createStore } from "../live/store";
import { text } from "../ui/fixtures";
import { App } from "./App";
import { lostText, Troubled } from "./Condition";
import { Trading } from "./Trading";

/** What may be said of nothing only when it is known that there is nothing. */
const CLAIMS: Record<string, Part> = {
  "No position is open": "positions",
  "Waiting for the first order": "orders",
  "Waiting for the first signal": "signals",
  "Waiting for the first closed trade": "trades",
  "Waiting for the first weights": "weights",
  "Waiting for the first settled close": "equity",
  "Waiting for the first candle": "candles",
  "No configuration yet": "configurations",
  "No job yet": "jobs",
  "No series is subscribed": "subscriptions",
  "No candle is stored yet": "marketData",
};
const PARTS = Object.keys(loaded().parts) as Part[];

const page = (state: State): string =>
  text(
    renderToStaticMarkup(
      <>
        <Trading state={state} isLate={false} onPick={() => undefined} />
        <MarketData state={state} isRecorded={recorded(state)} />
      </>,
    ),
  );
const claims = (state: State): string[] => Object.keys(CLAIMS).filter((claim) => page(state).includes(claim));
const picked = reduce(initial, { type: "picked", series: BTC });
const failing = (part: Part): State => {
  const { [part]: _, ...parts } = loaded().parts;
  const told = { series: BTC, parts, failures: { [part]: "the database does not answer" } };
  return reduce(picked, { type: "snapshot", loaded: told });
};

it("claims nothing while nothing is known", () => {
  expect(claims(initial)).toEqual([]);
  expect(page(initial)).not.toMatch(/\b0\b|paper/i);
});

it("claims what it knows", () => {
  const empty = reduce(picked, { type: "snapshot", loaded: loaded({}, { series: BTC }) });
  expect(claims(empty)).toEqual(Object.keys(CLAIMS));
});

it.each(PARTS)("claims nothing of %s when that fails, and all else as ever", (part) => {
  const state = failing(part);
  const silent = Object.keys(CLAIMS).filter((claim) => CLAIMS[claim] === part);
  expect(claims(state)).toEqual(Object.keys(CLAIMS).filter((claim) => !silent.includes(claim)));
  if (silent.length > 0) expect(page(state)).toContain("Not known: the database does not answer ask again");
});

it("says neither paper nor that no order is real before the server has", () => {
  const whole = (state: State): string => {
    const frames: (() => void)[] = [];
    const store = createStore((show) => frames.push(show));
    if (state !== initial) store.dispatch({ type: "snapshot", loaded: told });
    for (const show of frames) show();
    return text(renderToStaticMarkup(<App store={store} follow={() => undefined} again={() => undefined} asked={null} />));
  };
  const told = loaded({ overview: overview({ source: "replay" }), series: [stored(BTC)] });
  expect(whole(initial)).not.toMatch(/paper|No real order/i);
  const shown = whole(reduce(initial, { type: "snapshot", loaded: told }));
  expect(shown).toContain("paper");
  expect(shown).toContain("No real order is placed");
});

it("says what its own service does not hear, and claims no present then", () => {
  const own = { service: "studio_svc", up: true, ready: false, detail: "waiting for broker", trouble: null };
  const shown = (health: (typeof own)[]): string => {
    const frames: (() => void)[] = [];
    const store = createStore((show) => frames.push(show));
    store.dispatch({ type: "snapshot", loaded: loaded({ health }, { series: BTC }) });
    for (const show of frames) show();
    return text(renderToStaticMarkup(<App store={store} follow={() => undefined} again={() => undefined} asked={null} />));
  };
  const deaf = shown([own]);
  expect(deaf).toContain("service is waiting for broker: what is shown is what it knew before");
  expect(deaf).toContain("No position was open at the last settled close");
  expect(deaf).not.toContain("No position is open");
  const whole = shown([{ ...own, ready: true, detail: "ready" }]);
  expect(whole).not.toContain("what it knew before");
  expect(whole).toContain("No position is open");
});

it("says which market is not followed although every service is ready", () => {
  const trouble = "The market is not followed: kraken:BTC/USD:5m: kraken does not answer; it is asked again";
  const ingest = { service: "market_ingest", up: true, ready: true, detail: "ready", trouble };
  const shown = (one: typeof ingest | (Omit<typeof ingest, "trouble"> & { trouble: null })): string =>
    renderToStaticMarkup(<Troubled health={[one]} />);
  expect(text(shown(ingest))).toBe(trouble);
  expect(shown({ ...ingest, trouble: null })).toBe("");
});

it("counts down to the next try", () => {
  const at = Date.UTC(2026, 0, 1, 12, 3, 10);
  expect(lostText(at, at + 9_000, at + 5_500)).toBe(
    "No connection since 12:03:10 UTC, trying again in 4 s. What is shown is as old as that.",
  );
  expect(lostText(at, null, at)).toContain("trying again.");
});
