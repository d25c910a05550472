import { describe, expect, it } from "vitest";

import { configuration, ID, order } from "../api/fixtures";
import { askedOne, named, ofOne, strategiesOf, whose } from "./whose";

describe("whose a row is", () => {
  it("is its strategy and the short id that commands take, or the id alone", () => {
    expect(whose({ configuration_id: ID, strategy: "liquidity_sweep" })).toBe("liquidity sweep 3166a7b9");
    expect(whose({ configuration_id: ID, strategy: null })).toBe("3166a7b9");
  });

  it("is told by the configurations where a push has the id alone", () => {
    const strategies = strategiesOf([configuration(ID, { strategy: "donchian_breakout" })]);
    const rows = [order("a", { configuration_id: ID }), order("b", { configuration_id: "gone" })];
    expect(named(rows, strategies).map((row) => row.strategy)).toEqual(["donchian_breakout", null]);
    const told = [order("c", { configuration_id: ID, strategy: "supertrend" })];
    expect(named(told, strategies)).toBe(told);
  });

  it("chooses rows", () => {
    const rows = [order("a", { configuration_id: ID }), order("b")];
    expect(ofOne(rows, ID).map((row) => row.order_id)).toEqual(["a"]);
    expect(ofOne(rows, null)).toBe(rows);
  });

  it("stands in the address; what is no id chooses none", () => {
    expect(askedOne(`?series=x&configuration=${ID}`)).toBe(ID);
    expect(askedOne(`?configuration=${ID.toUpperCase()}`)).toBe(ID);
    expect(["", "?configuration=", "?configuration=3166a7b9", `?configuration=${ID}&x`].map(askedOne)).toEqual([
      null,
      null,
      null,
      ID,
    ]);
  });
});
