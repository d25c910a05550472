/** Keeps the page fed: what is there by REST, what happens by server-sent events. */

import { pause } from "../api/backoff";
import type { Loaded, Part, Update } from "./messages";
import type { Action } from "./state";

/** Two of the server's pings; without a byte for so long the stream is dead. */
export const SILENCE_MS = 10_000;
export const RELOAD_MS = 3_000;
/** Nobody waits longer for an answer. */
const ANSWER_MS = 15_000;
const KEPT_UPDATES = 200;
const CLOSED = 2;
const UNREADABLE = "The server does not answer; try again in a moment.";

const PATHS: Record<Part, string> = {
  overview: "overview",
  series: "series",
  equity: "equity",
  positions: "positions",
  trades: "trades?limit=100",
  signals: "signals?limit=60",
  orders: "orders?limit=60",
  weights: "weights",
  configurations: "configurations",
  jobs: "jobs?limit=10",
  health: "health",
  subscriptions: "subscriptions",
  marketData: "market-data",
  candles: "candles?limit=1000&series=",
  seriesTrades: "trades?limit=500&series=",
};
const PARTS = Object.keys(PATHS) as Part[];
const OF_SERIES: readonly Part[] = ["candles", "seriesTrades"];
const OF_ONE: readonly Part[] = ["trades", "seriesTrades", "signals", "orders"];

/** The page's view of the browser, so that tests can give another. */
export interface World {
  events: (url: string) => EventStream;
  fetch: (url: string) => Promise<{ ok: boolean; status: number; json: () => Promise<unknown> }>;
  after: (ms: number, then: () => void) => () => void;
  now: () => number;
  random: () => number;
}

export interface EventStream {
  readonly readyState: number;
  addEventListener: (event: string, listener: (message: MessageEvent<string>) => void) => void;
  close: () => void;
}

export const browser: World = {
  events: (url) => new EventSource(url),
  fetch: (url) =>
    fetch(url, { headers: { accept: "application/json" }, signal: AbortSignal.timeout(ANSWER_MS) }),
  after: (ms, then) => {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
  now: () => Date.now(),
  random: () => Math.random(),
};

/** Why a question came to nothing; status 0: nobody answered. */
class AnswerError extends Error {
  constructor(
    readonly status: number,
    reason: string,
  ) {
    super(reason);
  }
}

type Outcome = { part: Part; value: unknown } | { part: Part; error: AnswerError };

export class Link {
  private stream: EventStream | null = null;
  private series: string | null = null;
  private configuration: string | null = null;
  /** Updates that came while something was loading, to be told again after it; null: nothing is. */
  private meanwhile: Update[] | null = null;
  /** What could not be loaded, the next to be asked for first. */
  private missing: Part[] = [];
  private generation = 0;
  /** In a row; 0 again only when all that is shown was loaded. */
  private failures = 0;
  private heardAt: number;
  private cancelSilence = (): void => undefined;
  private cancelRetry = (): void => undefined;
  private cancelReload: (() => void) | null = null;

  constructor(
    private readonly dispatch: (action: Action) => void,
    private readonly world: World = browser,
  ) {
    this.heardAt = world.now();
  }

  /**
   * Follow a series (every candle of it comes); null before any is known. Signals, orders and trades
   * are asked for of one configuration, where one is given.
   */
  open(series: string | null, configuration: string | null = null): void {
    this.close();
    this.series = series;
    this.configuration = configuration;
    const query = series === null ? "" : `?series=${encodeURIComponent(series)}`;
    const stream = this.world.events(`/api/stream${query}`);
    this.stream = stream;
    stream.addEventListener("hello", () => {
      this.heard();
      this.dispatch({ type: "connection", connection: "live" });
      void this.load(PARTS);
    });
    stream.addEventListener("ping", () => this.heard());
    stream.addEventListener("update", (message) => {
      this.heard();
      this.take(JSON.parse(message.data) as Update);
    });
    stream.addEventListener("error", () => {
      if (stream !== this.stream) return;
      // the browser itself would try again at a fixed pace, for ever, and all pages at once
      const wasRefused = stream.readyState === CLOSED;
      stream.close();
      this.cancelSilence();
      if (wasRefused) void this.refused();
      else this.failed(0);
    });
    this.watch();
  }

  close(): void {
    this.generation += 1;
    this.stream?.close();
    this.stream = null;
    this.meanwhile = null;
    this.missing = [];
    this.cancelSilence();
    this.cancelRetry();
    this.cancelReload?.();
    this.cancelReload = null;
  }

  /** Ask at once for what could not be had, because a person wants it. */
  again(): void {
    this.cancelRetry();
    if (this.missing.length > 0) void this.load(this.missing);
    else if (this.stream === null || this.stream.readyState === CLOSED) this.reopen();
  }

  private reopen(): void {
    this.open(this.series, this.configuration);
  }

  private take(update: Update): void {
    if (update.reload) this.reloadSoon();
    this.dispatch({ type: "update", update });
    if (this.meanwhile === null) return;
    this.meanwhile.push(update);
    if (this.meanwhile.length > KEPT_UPDATES) {
      // so many in the time of one load: it will be old when it comes
      this.meanwhile = [];
      this.reloadSoon();
    }
  }

  private heard(): void {
    this.heardAt = this.world.now();
    this.watch();
  }

  private watch(): void {
    this.cancelSilence();
    this.cancelSilence = this.world.after(SILENCE_MS, () => {
      this.lost(this.world.now());
      this.reopen();
    });
  }

  private lost(retryAt: number): void {
    this.dispatch({ type: "connection", connection: "reconnecting", lostAt: this.heardAt, retryAt });
  }

  private pause(): number {
    const wait = pause(this.failures, this.world.random());
    this.failures += 1;
    return wait;
  }

  private async refused(): Promise<void> {
    const generation = this.generation;
    let status = 0;
    try {
      status = (await this.world.fetch("/api/health")).status;
    } catch {
      status = 0; // no server at all: it may come back
    }
    if (generation !== this.generation) return;
    this.failed(status);
  }

  private failed(status: number): void {
    if (status === 401) {
      this.close();
      this.dispatch({ type: "connection", connection: "signed-out", lostAt: this.heardAt });
      return;
    }
    const wait = this.pause();
    this.lost(this.world.now() + wait);
    this.cancelSilence();
    this.cancelRetry();
    this.cancelRetry = this.world.after(wait, () => this.reopen());
  }

  private reloadSoon(): void {
    if (this.cancelReload) return;
    this.cancelReload = this.world.after(RELOAD_MS, () => {
      this.cancelReload = null;
      // while something fails, its pauses hold for all
      if (this.missing.length > 0) this.missing = [...new Set([...this.missing, ...PARTS])];
      else void this.load(PARTS);
    });
  }

  /**
   * Load parts, each shown as it comes. An answer may be older than what was pushed meanwhile, so
   * that is told again after it: every change bears repeats.
   */
  private async load(parts: readonly Part[]): Promise<void> {
    if (this.meanwhile !== null) return;
    const generation = this.generation;
    this.meanwhile = [];
    const asked = parts.filter((part) => this.series !== null || !OF_SERIES.includes(part));
    const outcomes = await Promise.all(
      asked.map(async (part) => {
        const outcome = await this.get(part);
        if (generation === this.generation) this.tell(outcome);
        return outcome;
      }),
    );
    if (generation !== this.generation) return;
    this.meanwhile = null;
    const statuses = outcomes.flatMap((one) => ("error" in one ? [one.error.status] : []));
    if (statuses.includes(401)) {
      this.failed(401);
    } else if (statuses.length > 1 && statuses.length === asked.length && statuses.every((one) => one === 0)) {
      this.stream?.close();
      this.failed(0); // nobody is there
    } else {
      this.settle(outcomes);
    }
  }

  private tell(outcome: Outcome): void {
    const { part } = outcome;
    const loaded: Loaded =
      "error" in outcome
        ? { series: this.series, parts: {}, failures: { [part]: outcome.error.message } }
        : { series: this.series, parts: { [part]: outcome.value }, failures: {} };
    this.dispatch({ type: "snapshot", loaded });
    for (const update of this.meanwhile ?? []) this.dispatch({ type: "update", update });
  }

  private settle(outcomes: readonly Outcome[]): void {
    for (const one of outcomes) {
      this.missing = this.missing.filter((part) => part !== one.part);
      if ("error" in one) this.missing.push(one.part);
    }
    this.cancelRetry();
    if (this.missing.length === 0) this.failures = 0;
    else this.cancelRetry = this.world.after(this.pause(), () => void this.probe());
  }

  /** Ask for one of what is missing, for the rest only when that comes. */
  private async probe(): Promise<void> {
    const [first] = this.missing;
    if (first === undefined) return;
    await this.load([first]);
    if (this.missing.length > 0 && !this.missing.includes(first)) {
      this.cancelRetry();
      await this.load(this.missing);
    }
  }

  /** Ask for a part; it never fails, for one that fails must not take the others with it. */
  private async get(part: Part): Promise<Outcome> {
    const of = OF_SERIES.includes(part) ? encodeURIComponent(this.series ?? "") : "";
    const one = OF_ONE.includes(part) && this.configuration !== null ? `&configuration=${this.configuration}` : "";
    try {
      const answer = await this.world.fetch(`/api/${PATHS[part]}${of}${one}`);
      const said: unknown = await answer.json().catch(() => null);
      if (!answer.ok) return { part, error: new AnswerError(answer.status, reasonOf(said, answer.status)) };
      if (said === null && part !== "weights") return { part, error: new AnswerError(answer.status, UNREADABLE) };
      return { part, value: said };
    } catch {
      return { part, error: new AnswerError(0, UNREADABLE) };
    }
  }
}

function reasonOf(said: unknown, status: number): string {
  const detail = typeof said === "object" && said !== null && "detail" in said ? said.detail : null;
  return typeof detail === "string" ? detail : `The server answered with status ${status}.`;
}
