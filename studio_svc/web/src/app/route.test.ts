import { expect, it } from "vitest";

import { pageOf } from "./route";

it("has an address of its own", () => {
  expect(["/market-data", "/market-data/", "/", "/else"].map(pageOf)).toEqual([
    "market-data",
    "market-data",
    "trading",
    "trading",
  ]);
});
