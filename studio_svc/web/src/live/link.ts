/** Keeps the page fed: snapshots by REST, what happens by server-sent events. */

import type {
  CandleRow,
  Configuration,
  EquityRow,
  Health,
  Job,
  MarketState,
  Order,
  Overview,
  Position,
  Series,
  Signal,
  Subscriptions,
  Trade,
  Weights,
} from "../api/types";
import type { Snapshot, Update } from "./messages";
import type { Action } from "./state";

export const SILENCE_MS = 25_000;
export const RELOAD_MS = 3_000;
const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000];
const KEPT_UPDATES = 200;
const CLOSED = 2;

/** The page's view of the browser, so that tests can give another. */
export interface World {
  events: (url: string) => EventStream;
  fetch: (url: string) => Promise<{ ok: boolean; status: number; json: () => Promise<unknown> }>;
  after: (ms: number, then: () => void) => () => void;
}

export interface EventStream {
  readonly readyState: number;
  addEventListener: (event: string, listener: (message: MessageEvent<string>) => void) => void;
  close: () => void;
}

export const browser: World = {
  events: (url) => new EventSource(url),
  fetch: (url) => fetch(url, { headers: { accept: "application/json" } }),
  after: (ms, then) => {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};

class StatusError extends Error {
  constructor(readonly status: number) {
    super(`status ${status}`);
  }
}

export class Link {
  private stream: EventStream | null = null;
  private series: string | null = null;
  /** Updates that came while a snapshot was loading; null when none is. */
  private waiting: Update[] | null = null;
  private generation = 0;
  private failures = 0;
  private cancelSilence = (): void => undefined;
  private cancelRetry = (): void => undefined;
  private cancelReload: (() => void) | null = null;

  constructor(
    private readonly dispatch: (action: Action) => void,
    private readonly world: World = browser,
  ) {}

  /** Follow a series (every candle of it comes); null before any is known. */
  open(series: string | null): void {
    this.close();
    this.series = series;
    const query = series === null ? "" : `?series=${encodeURIComponent(series)}`;
    const stream = this.world.events(`/api/stream${query}`);
    this.stream = stream;
    stream.addEventListener("hello", () => {
      this.failures = 0;
      this.heard();
      this.dispatch({ type: "connection", connection: "live" });
      void this.load();
    });
    stream.addEventListener("ping", () => this.heard());
    stream.addEventListener("update", (message) => {
      this.heard();
      this.take(JSON.parse(message.data) as Update);
    });
    stream.addEventListener("error", () => {
      if (stream !== this.stream) return;
      this.dispatch({ type: "connection", connection: "reconnecting" });
      // the browser itself tries again, except where the server answered with a refusal
      if (stream.readyState === CLOSED) void this.refused();
    });
    this.heard();
  }

  close(): void {
    this.generation += 1;
    this.stream?.close();
    this.stream = null;
    this.waiting = null;
    this.cancelSilence();
    this.cancelRetry();
    this.cancelReload?.();
    this.cancelReload = null;
  }

  private take(update: Update): void {
    if (update.reload) this.reloadSoon();
    if (this.waiting === null) {
      this.dispatch({ type: "update", update });
    } else {
      this.waiting.push(update);
      if (this.waiting.length > KEPT_UPDATES) {
        // so many in the time of one snapshot: it will be old when it comes
        this.waiting = [];
        this.reloadSoon();
      }
    }
  }

  private heard(): void {
    this.cancelSilence();
    this.cancelSilence = this.world.after(SILENCE_MS, () => {
      this.dispatch({ type: "connection", connection: "reconnecting" });
      this.open(this.series);
    });
  }

  private retry(): void {
    const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)] ?? SILENCE_MS;
    this.failures += 1;
    this.cancelSilence();
    this.cancelRetry();
    this.cancelRetry = this.world.after(wait, () => this.open(this.series));
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
      this.dispatch({ type: "connection", connection: "signed-out" });
    } else {
      this.dispatch({ type: "connection", connection: "reconnecting" });
      this.retry();
    }
  }

  private reloadSoon(): void {
    if (this.cancelReload) return;
    this.cancelReload = this.world.after(RELOAD_MS, () => {
      this.cancelReload = null;
      void this.load();
    });
  }

  /** Load the snapshot; what comes meanwhile is applied after it (every change bears repeats). */
  private async load(): Promise<void> {
    if (this.waiting !== null) return;
    const generation = this.generation;
    this.waiting = [];
    try {
      const snapshot = await this.snapshot(this.series);
      if (generation !== this.generation) return;
      this.dispatch({ type: "snapshot", snapshot });
    } catch (error) {
      if (generation !== this.generation) return;
      this.close();
      this.failed(error instanceof StatusError ? error.status : 0);
      return;
    }
    const missed: Update[] = this.waiting;
    this.waiting = null;
    for (const update of missed) this.dispatch({ type: "update", update });
  }

  private async snapshot(series: string | null): Promise<Snapshot> {
    const picked = series === null ? "" : encodeURIComponent(series);
    const [
      overview,
      known,
      equity,
      positions,
      trades,
      signals,
      orders,
      weights,
      configurations,
      jobs,
      health,
      subscriptions,
      marketData,
      candles,
      seriesTrades,
    ] = await Promise.all([
      this.get<Overview>("overview"),
      this.get<Series[]>("series"),
      this.get<{ points: EquityRow[] }>("equity"),
      this.get<Position[]>("positions"),
      this.get<Trade[]>("trades?limit=100"),
      this.get<Signal[]>("signals?limit=60"),
      this.get<Order[]>("orders?limit=60"),
      this.get<Weights | null>("weights"),
      this.get<Configuration[]>("configurations"),
      this.get<Job[]>("jobs?limit=10"),
      this.get<Health[]>("health"),
      this.get<Subscriptions>("subscriptions"),
      this.get<MarketState>("market-data"),
      series === null
        ? null
        : this.get<{ series: string; rows: CandleRow[] }>(`candles?limit=1000&series=${picked}`),
      series === null ? [] : this.get<Trade[]>(`trades?limit=500&series=${picked}`),
    ]);
    return {
      overview,
      series: known,
      candles,
      equity: equity.points,
      positions,
      trades,
      seriesTrades,
      signals,
      orders,
      weights,
      configurations,
      jobs,
      health,
      subscriptions,
      marketData,
    };
  }

  private async get<Answer>(path: string): Promise<Answer> {
    const answer = await this.world.fetch(`/api/${path}`);
    if (!answer.ok) throw new StatusError(answer.status);
    return (await answer.json()) as Answer;
  }
}
