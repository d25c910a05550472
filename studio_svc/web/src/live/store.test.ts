import { expect, it } from "vitest";

import { createStore } from "./store";

it("shows many changes once, at the next frame", () => {
  const frames: (() => void)[] = [];
  const store = createStore((show) => frames.push(show));
  let shows = 0;
  const leave = store.subscribe(() => {
    shows += 1;
  });
  for (let at = 1; at <= 1_000; at += 1) {
    store.dispatch({ type: "update", update: { event_time: at } });
  }
  expect(store.get().eventTime).toBeNull();
  expect(frames).toHaveLength(1);
  frames.pop()?.();
  expect(store.get().eventTime).toBe(1_000);
  expect(shows).toBe(1);

  store.dispatch({ type: "connection", connection: store.get().connection });
  expect(frames).toHaveLength(0);
  leave();
  store.dispatch({ type: "connection", connection: "live" });
  frames.pop()?.();
  expect(shows).toBe(1);
  expect(store.get().connection).toBe("live");
});
