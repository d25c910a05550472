import { beforeEach, describe, expect, it } from "vitest";

import { BTC, overview } from "../api/fixtures";
import { Link, RELOAD_MS, SILENCE_MS, type World } from "./link";
import type { Action } from "./state";

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
  held: Promise<void> = Promise.resolve();

  events = (url: string): FakeStream => {
    const stream = new FakeStream(url);
    this.streams.push(stream);
    return stream;
  };
  fetch = async (url: string) => {
    this.asked.push(url);
    await this.held;
    const { status } = this;
    const answer = url.endsWith("/overview")
      ? overview()
      : url.endsWith("/equity")
        ? { points: [] }
        : url.includes("/candles")
          ? { series: BTC, rows: [] }
          : [];
    return { ok: status === 200, status, json: async () => answer };
  };
  after = (ms: number, then: () => void) => {
    const timer = { ms, then, isOff: false };
    this.timers.push(timer);
    return () => {
      timer.isOff = true;
    };
  };

  get stream(): FakeStream {
    const stream = this.streams.at(-1);
    if (!stream) throw new Error("no stream was opened");
    return stream;
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
const kinds = () =>
  actions.map((action) => (action.type === "connection" ? action.connection : action.type));

beforeEach(() => {
  world = new FakeWorld();
  actions = [];
  link = new Link((action) => actions.push(action), world);
});

describe("link", () => {
  it("loads the snapshot after the stream began, and applies what came meanwhile after it", async () => {
    link.open(BTC);
    expect(world.stream.url).toBe("/api/stream?series=kraken%3ABTC%2FUSD%3A30m");
    world.stream.say("hello");
    world.stream.say("update", { event_time: 1 });
    expect(kinds()).toEqual(["live"]);
    await settled();
    expect(kinds()).toEqual(["live", "snapshot", "update"]);
    world.stream.say("update", { event_time: 2 });
    expect(kinds().at(-1)).toBe("update");
  });

  it("asks for the picked series only where one is picked", async () => {
    link.open(null);
    world.stream.say("hello");
    await settled();
    expect(world.stream.url).toBe("/api/stream");
    expect(world.asked.some((url) => url.includes("/candles"))).toBe(false);
    expect(kinds()).toEqual(["live", "snapshot"]);
  });

  it("drops a snapshot of a series that was left meanwhile", async () => {
    let release = (): void => undefined;
    world.held = new Promise((resolve) => {
      release = resolve;
    });
    link.open(BTC);
    world.stream.say("hello");
    link.open("kraken:ETH/USD:30m");
    release();
    await settled();
    expect(kinds()).toEqual(["live"]);
    expect(world.streams[0]?.readyState).toBe(2);
  });

  it("leaves short breaks to the browser and loads again afterwards", async () => {
    link.open(BTC);
    world.stream.say("hello");
    await settled();
    world.stream.readyState = 0;
    world.stream.say("error");
    expect(kinds().at(-1)).toBe("reconnecting");
    world.stream.readyState = 1;
    world.stream.say("hello");
    await settled();
    expect(kinds().slice(-2)).toEqual(["live", "snapshot"]);
    expect(world.streams).toHaveLength(1);
  });

  it("tries again, more and more slowly, when the server refuses the stream", async () => {
    world.status = 503;
    link.open(BTC);
    for (const wait of [500, 1_000, 2_000, 4_000, 8_000, 8_000]) {
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
    expect(kinds().at(-1)).toBe("signed-out");
    world.pass(500);
    world.pass(SILENCE_MS);
    expect(world.streams).toHaveLength(1);
  });

  it("opens anew when nothing is heard for long", () => {
    link.open(BTC);
    world.stream.say("ping");
    world.pass(SILENCE_MS);
    expect(world.streams).toHaveLength(2);
    expect(kinds()).toEqual(["reconnecting"]);
  });

  it("loads again, not too often, when it is told to", async () => {
    link.open(BTC);
    world.stream.say("hello");
    await settled();
    world.stream.say("update", { reload: true });
    world.stream.say("update", { reload: true });
    world.pass(RELOAD_MS);
    await settled();
    expect(kinds().filter((kind) => kind === "snapshot")).toHaveLength(2);
  });

  it("opens anew when a snapshot fails", async () => {
    world.status = 503;
    link.open(BTC);
    world.stream.say("hello");
    await settled();
    expect(kinds()).toEqual(["live", "reconnecting"]);
    world.status = 200;
    world.pass(500);
    world.stream.say("hello");
    await settled();
    expect(kinds().at(-1)).toBe("snapshot");
  });

  it("holds a bounded number of updates while a snapshot loads", async () => {
    link.open(BTC);
    world.stream.say("hello");
    for (let n = 0; n < 500; n += 1) world.stream.say("update", { event_time: n });
    await settled();
    expect(kinds().filter((kind) => kind === "update").length).toBeLessThanOrEqual(200);
    world.pass(RELOAD_MS);
    await settled();
    expect(kinds().filter((kind) => kind === "snapshot")).toHaveLength(2);
  });
});
