import { describe, expect, it } from "vitest";

import { ask, type Fetch, send } from "./client";

const answering =
  (status: number, json: () => Promise<unknown>, seen: unknown[] = []): Fetch =>
  (path, options) => {
    seen.push(path, options);
    return Promise.resolve({ ok: status < 300, status, json });
  };

describe("the API", () => {
  it("answers", async () => {
    const seen: unknown[] = [];
    const world = answering(200, () => Promise.resolve({ a: 1 }), seen);
    expect(await ask("jobs", world)).toEqual({ a: 1 });
    expect(seen[0]).toBe("/api/jobs");
  });

  it("is sent what to change as JSON", async () => {
    const seen: unknown[] = [];
    await send("jobs/1/cancel", { reason: "x" }, answering(200, () => Promise.resolve(null), seen));
    expect(seen[1]).toMatchObject({
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"reason":"x"}',
    });
  });

  it("is asked to put and to delete, without a body where there is nothing to say", async () => {
    const seen: unknown[] = [];
    const world = answering(200, () => Promise.resolve(null), seen);
    await send("subscriptions", { a: 1 }, world, "PUT");
    await send("subscriptions?a=1", null, world, "DELETE");
    expect(seen[1]).toMatchObject({ method: "PUT", body: '{"a":1}' });
    expect(seen[3]).not.toHaveProperty("body");
    expect(seen[3]).toMatchObject({ method: "DELETE" });
  });

  it("refuses with its reason", async () => {
    const world = answering(409, () => Promise.resolve({ detail: "it is in stage PAPER already" }));
    await expect(send("x", {}, world)).rejects.toThrow("it is in stage PAPER already");
  });

  it.each([
    ["no JSON", answering(502, () => Promise.reject(new Error("no JSON"))), "status 502"],
    ["another shape", answering(500, () => Promise.resolve({ detail: [1] })), "status 500"],
    ["no server", () => Promise.reject(new TypeError("failed")), "does not answer"],
  ])("says what happened: %s", async (_, world, said) => {
    await expect(ask("x", world)).rejects.toThrow(said);
  });
});
