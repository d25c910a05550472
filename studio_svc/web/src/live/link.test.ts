import { beforeEach, describe, expect, it } from "vitest";

import { BTC, ID, overview, position } from "../api/fixtures";
import { LOADING, READY } from "../api/known";
import { Link, RELOAD_MS, SILENCE_MS, type World } from "./link";
import { type Action, initial, known, reduce, type State } from "./state";

type Listener = (message: MessageEvent<string>) => void;

class FakeStream {
  readyState = 1;
  private readonly listeners = new Map<string, Listener>();
  constructor(readonly url: string) {}
  addEventListener(event: string, listener: Listener): void {
    this.listeners.set(event, listener);
  }
  close(): void {
    this.readyState = 2;
  }
  say(event: string, data: unknown = {}): void {
    this.listeners.get(event)?.({ data: JSON.stringify(data) } as MessageEvent<string>);
  }
}

class FakeWorld implements World {
  streams: FakeStream[] = [];
  asked: string[] = [];
  timers: { ms: number; then: () => void; isOff: boolean }[] = [];
  status = 200;
  /** By a part of the address, what is answered instead. */
  failing: Record<string, number> = {};
  held: Promise<void> = Promise.resolve();
  clock = 1_000;

  events = (url: string): FakeStream => {
    const stream = new FakeStream(url);
    this.streams.push(stream);
    return stream;
  };
  fetch = async (url: string) => {
    this.asked.push(url);
    if (this.status === 0) throw new TypeError("failed to fetch");
    await this.held;
    const broken = Object.entries(this.failing).find(([part]) => url.includes(part));
    const status = broken?.[1] ?? this.status;
    const answer = url.endsWith("/overview")
      ? overview()
      : url.endsWith("/equity")
        ? { points: [] }
        : url.includes("/candles")
          ? { series: BTC, rows: [] }
          : [];
    const said = status === 200 ? answer : { detail: "the database does not answer" };
    return { ok: status === 200, status, json: async () => said };
  };
  after = (ms: number, then: () => void) => {
    const timer = { ms, then, isOff: false };
    this.timers.push(timer);
    return () => {
      timer.isOff = true;
    };
  };
  now = () => this.clock;
  random = () => 0.5;

  get stream(): FakeStream {
    const stream = this.streams.at(-1);
    if (!stream) throw new Error("no stream was opened");
    return stream;
  }
  /** Lengths of the timers that run. */
  get awaited(): number[] {
    return this.timers.filter((one) => !one.isOff).map((one) => one.ms);
  }
  /** Run the timers of a length that still run. */
  pass(ms: number): void {
    for (const timer of this.timers.filter((one) => one.ms === ms && !one.isOff)) {
      timer.isOff = true;
      timer.then();
    }
  }
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

let world: FakeWorld;
let actions: Action[];
let link: Link;
const connections = () =>
  actions.flatMap((action) => (action.type === "connection" ? [action.connection] : []));
/** What the page shows after all that was told. */
const shown = (): State => actions.reduce(reduce, reduce(initial, { type: "picked", series: BTC }));
const loads = () => world.asked.filter((url) => url.endsWith("/overview")).length;

beforeEach(() => {
  world = new FakeWorld();
  actions = [];
  link = new Link((action) => actions.push(action), world);
});

async function live(): Promise<void> {
  link.open(BTC);
  world.stream.say("hello");
  await settled();
}

describe("link", () => {
  it("loads when the stream has begun; what came meanwhile wins over an older answer", async () => {
    link.open(BTC);
    expect(world.stream.url).toBe("/api/stream?series=kraken%3ABTC%2FUSD%3A30m");
    world.stream.say("hello");
    world.stream.say("update", { event_time: 1, positions: [position("pushed")] });
    // shown at once: one answer that hangs holds up nothing
    expect(shown().positions).toHaveLength(1);
    await settled();
    expect(shown().positions.map((one) => one.position_id)).toEqual(["pushed"]);
    world.stream.say("update", { event_time: 2, positions: [] });
    expect(shown()).toMatchObject({ connection: "live", eventTime: 2, positions: [] });
  });

  it("shows each part as it comes", async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const fetch = world.fetch;
    world.fetch = async (url) => {
      if (url.endsWith("/jobs?limit=10")) await held;
      return fetch(url);
    };
    await live();
    expect(known(shown(), "orders")).toEqual(READY);
    expect(known(shown(), "jobs")).toEqual(LOADING);
    release();
    await settled();
    expect(known(shown(), "jobs")).toEqual(READY);
  });

  it("asks for the picked series only where one is picked", async () => {
    link.open(null);
    world.stream.say("hello");
    await settled();
    expect(world.stream.url).toBe("/api/stream");
    expect(world.asked.some((url) => url.includes("/candles"))).toBe(false);
    expect(known(shown(), "orders")).toEqual(READY);
  });

  it("asks for one configuration's rows alone, also when it connects again", async () => {
    const asked = () => world.asked.filter((url) => url.endsWith(`&configuration=${ID}`));
    link.open(BTC, ID);
    world.stream.say("hello");
    await settled();
    const rows = ["trades?limit=100", "trades?limit=500&series=kraken%3ABTC%2FUSD%3A30m", "signals?limit=60", "orders?limit=60"];
    expect(asked().sort()).toEqual(rows.map((path) => `/api/${path}&configuration=${ID}`).sort());
    world.stream.readyState = 0;
    world.stream.say("error");
    world.pass(500);
    world.stream.say("hello");
    await settled();
    expect(asked()).toHaveLength(8);
    link.open(BTC, null);
    world.stream.say("hello");
    await settled();
    expect(asked()).toHaveLength(8);
  });

  it("drops what is loaded of a series that was left meanwhile", async () => {
    let release = (): void => undefined;
    world.held = new Promise((resolve) => {
      release = resolve;
    });
    link.open(BTC);
    world.stream.say("hello");
    link.open("kraken:ETH/USD:30m");
    release();
    await settled();
    expect(actions.some((action) => action.type === "snapshot")).toBe(false);
    expect(world.streams[0]?.readyState).toBe(2);
  });

  it("opens a broken stream itself, after a pause, and loads again", async () => {
    await live();
    world.clock = 5_000;
    world.stream.readyState = 0;
    world.stream.say("error");
    expect(world.stream.readyState).toBe(2);
    expect(shown()).toMatchObject({ connection: "reconnecting", lostAt: 1_000, retryAt: 5_500 });
    world.pass(500);
    expect(world.streams).toHaveLength(2);
    world.stream.say("hello");
    await settled();
    expect(shown()).toMatchObject({ connection: "live", lostAt: null });
    expect(loads()).toBe(2);
  });

  it("tries again, more and more slowly, when the server refuses the stream", async () => {
    world.status = 503;
    link.open(BTC);
    for (const wait of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      const count = world.streams.length;
      world.stream.readyState = 2;
      world.stream.say("error");
      await settled();
      world.pass(wait);
      expect(world.streams.length).toBe(count + 1);
    }
  });

  it("says that it is signed out and stops", async () => {
    world.status = 401;
    link.open(BTC);
    world.stream.readyState = 2;
    world.stream.say("error");
    await settled();
    expect(connections().at(-1)).toBe("signed-out");
    expect(world.awaited).toEqual([]);
    expect(world.streams).toHaveLength(1);
  });

  it("takes a stream without a byte for two pings for dead", async () => {
    await live();
    expect(SILENCE_MS).toBe(10_000);
    world.clock = 11_000;
    world.pass(SILENCE_MS);
    expect(world.streams).toHaveLength(2);
    expect(shown()).toMatchObject({ connection: "reconnecting", lostAt: 1_000 });
    world.stream.say("ping");
    expect(world.awaited.filter((ms) => ms === SILENCE_MS)).toHaveLength(1);
  });

  it("loads again, not too often, when it is told to", async () => {
    await live();
    world.stream.say("update", { reload: true });
    world.stream.say("update", { reload: true });
    world.pass(RELOAD_MS);
    await settled();
    expect(loads()).toBe(2);
  });

  it("holds a bounded number of updates while something loads", async () => {
    link.open(BTC);
    world.stream.say("hello");
    for (let n = 0; n < 500; n += 1) world.stream.say("update", { event_time: n });
    await settled();
    // 500 at once, and again those that are kept after each part
    expect(actions.filter((action) => action.type === "update").length).toBeLessThanOrEqual(500 + 15 * 200);
    world.pass(RELOAD_MS);
    await settled();
    expect(loads()).toBe(2);
    expect(shown().eventTime).toBe(499);
  });
});

describe("one request that fails", () => {
  it("is said, and leaves fourteen parts right", async () => {
    world.failing = { positions: 503 };
    await live();
    const state = shown();
    expect(state.connection).toBe("live");
    expect(known(state, "positions")).toEqual({ state: "failed", reason: "the database does not answer" });
    const ready = Object.values(state.known).filter((one) => one.state === "ready");
    expect(ready).toHaveLength(14);
  });

  it("is asked again alone, more and more slowly, while the stream goes on", async () => {
    world.failing = { positions: 503 };
    await live();
    world.asked = [];
    for (const wait of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      expect(world.awaited).toContain(wait);
      world.pass(wait);
      await settled();
    }
    expect(world.asked).toEqual(Array(8).fill("/api/positions"));
    expect(world.streams).toHaveLength(1);
    world.failing = {};
    world.pass(30_000);
    await settled();
    expect(known(shown(), "positions")).toEqual(READY);
    // all that is shown was loaded: the next fault begins at the shortest pause
    world.stream.readyState = 0;
    world.stream.say("error");
    expect(world.awaited).toContain(500);
  });

  it("does not begin anew at each hello: the pauses grow over reconnections", async () => {
    world.failing = { positions: 503 };
    await live();
    world.stream.readyState = 0;
    world.stream.say("error");
    expect(world.awaited).toContain(1_000);
    world.pass(1_000);
    world.stream.say("hello");
    await settled();
    expect(world.awaited).toContain(2_000);
  });

  it("is a probe where all fail: the rest follows when it comes", async () => {
    world.status = 503;
    await live();
    world.asked = [];
    world.pass(500);
    await settled();
    world.pass(1_000);
    await settled();
    expect(world.asked).toHaveLength(2);
    world.status = 200;
    world.pass(2_000);
    await settled();
    expect(world.asked).toHaveLength(2 + 15);
    expect(Object.values(shown().known).every((one) => one.state === "ready")).toBe(true);
  });

  it("is asked for at once when a person wants it", async () => {
    world.failing = { positions: 503 };
    await live();
    world.failing = {};
    link.again();
    await settled();
    expect(known(shown(), "positions")).toEqual(READY);
    expect(world.awaited).toEqual([SILENCE_MS]);
  });

  it("because nobody is there is a lost connection", async () => {
    await live();
    world.status = 0;
    expect(shown().connection).toBe("live");
    world.stream.say("update", { reload: true });
    world.pass(RELOAD_MS);
    await settled();
    expect(shown().connection).toBe("reconnecting");
    expect(world.awaited).toContain(500);
  });

  it("with a token that is not valid any more signs the page out", async () => {
    world.failing = { positions: 401 };
    await live();
    expect(shown().connection).toBe("signed-out");
    expect(world.awaited).toEqual([]);
  });
});
