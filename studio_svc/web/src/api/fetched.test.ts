import { expect, it } from "vitest";

import { wait } from "./fetched";

it("asks anew at once, and again not too often", () => {
  expect(wait(null, "a", 100, 50)).toBe(0);
  expect(wait({ path: "b", at: 90 }, "a", 100, 50)).toBe(0);
  expect(wait({ path: "a", at: 90 }, "a", 100, 50)).toBe(40);
  expect(wait({ path: "a", at: 10 }, "a", 100, 50)).toBe(0);
});
