import { expect, it } from "vitest";

import { withQuery } from "../lib/address";
import { pageOf } from "./route";

it("has an address of its own", () => {
  expect(["/market-data", "/market-data/", "/rl-portfolio", "/rl-portfolio/", "/", "/else"].map(pageOf)).toEqual([
    "market-data",
    "market-data",
    "rl-portfolio",
    "rl-portfolio",
    "trading",
    "trading",
  ]);
});

it("keeps what else the address says", () => {
  expect(withQuery("/rl-portfolio", "?stage=ACTIVE&model=a", { model: "b", with: "c" })).toBe(
    "/rl-portfolio?stage=ACTIVE&model=b&with=c",
  );
  expect(withQuery("/rl-portfolio", "?model=a", { model: null })).toBe("/rl-portfolio");
});
