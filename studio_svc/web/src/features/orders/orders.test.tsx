import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import { ID, order, position, signal, trade } from "../../api/fixtures";
import { READY } from "../../api/known";
import { text } from "../../ui/fixtures";
import { Orders } from "./Orders";
import { Positions } from "./Positions";
import { Signals } from "./Signals";
import { Trades } from "./Trades";

describe("orders and what comes of them", () => {
  it.each([
    [<Positions known={READY} positions={[]} isLate={false} />, "No position is open"],
    [<Positions known={READY} positions={[]} isLate />, "what came since is not known"],
    [<Orders known={READY} orders={[]} />, "Waiting for the first order"],
    [<Trades known={READY} trades={[]} total={0} />, "Waiting for the first closed trade"],
    [<Signals known={READY} signals={[]} />, "Waiting for the first signal"],
  ])("say what is awaited, %#", (panel, said) => {
    expect(text(renderToStaticMarkup(panel))).toContain(said);
  });

  it.each([
    [<Positions known={READY} positions={[]} isLate={false} isOne />, "No position of this configuration is open"],
    [<Orders known={READY} orders={[]} isOne />, "This configuration has ordered nothing yet"],
    [<Trades known={READY} trades={[]} total={0} isOne />, "This configuration has closed no trade yet"],
    [<Signals known={READY} signals={[]} isOne />, "This configuration has given no signal yet"],
  ])("claim nothing of others where one configuration's are shown, %#", (panel, said) => {
    const shown = text(renderToStaticMarkup(panel));
    expect(shown).toContain(said);
    expect(shown).not.toMatch(/Waiting|No position is/);
  });

  it("say whose they are, and lead to this one's alone", () => {
    const own = { configuration_id: ID, strategy: "sma_cross" };
    const panels = [
      <Positions known={READY} positions={[position("p", own)]} isLate={false} />,
      <Orders known={READY} orders={[order("o", own)]} />,
      <Trades known={READY} trades={[trade("t", own)]} total={1} />,
      <Signals known={READY} signals={[signal("s", own)]} />,
    ];
    for (const panel of panels) {
      const markup = renderToStaticMarkup(panel);
      expect(text(markup)).toContain("sma cross 3166a7b9");
      expect(markup).toContain(`href="/?configuration=${ID}"`);
    }
    // of a configuration that is not known there is its id
    expect(text(renderToStaticMarkup(<Orders known={READY} orders={[order("o", { ...own, strategy: null })]} />))).toContain(
      "3166a7b9",
    );
  });

  it("show a refusal with its reason", () => {
    const refused = order("a", { status: "REFUSED", quantity: null, reason: "signal is stale" });
    const shown = text(renderToStaticMarkup(<Orders known={READY} orders={[refused]} />));
    expect(shown).toContain("refused signal is stale");
  });

  it("show what an entry at market may spend until its fill tells what that bought", () => {
    const waits = order("a", { quantity: null, notional: "500.000000000000000000" });
    expect(text(renderToStaticMarkup(<Orders known={READY} orders={[waits]} />))).toContain("for 500 USD");
    const filled = order("a", { status: "FILLED", quantity: "4.897", notional: "500" });
    const shown = text(renderToStaticMarkup(<Orders known={READY} orders={[filled]} />));
    expect(shown).toContain("4.897");
    expect(shown).not.toContain("for 500");
  });

  it("show a position with its profit", () => {
    const held = position("p", { last_price: 110, unrealised: 19, unrealised_pct: 9.5 });
    const shown = text(renderToStaticMarkup(<Positions known={READY} positions={[held]} isLate={false} />));
    expect(shown).toContain("BTC/USD long 2 · sma cross c 100.00");
    expect(shown).toContain("+19.00 +9.50 %");
  });

  it("show the step of a falling target that is valid, and the next", () => {
    const held = position("p", { take_profit_price: "110", next_target: { price: "105.5", at: 9_000_000 } });
    const markup = renderToStaticMarkup(<Positions known={READY} positions={[held]} isLate={false} />);
    expect(text(markup)).toContain("90.0000 110.00 ↓");
    expect(markup).toContain('title="falls to 105.50 at 1970-01-01 02:30 UTC"');
    const last = renderToStaticMarkup(
      <Positions known={READY} positions={[{ ...held, next_target: null }]} isLate={false} />,
    );
    expect(last).not.toMatch(/↓|falls to/);
  });

  it("show a trade with its reason, and how many there are in all", () => {
    const closed = trade("t", { exit_reason: "take_profit" });
    const shown = text(renderToStaticMarkup(<Trades known={READY} trades={[closed]} total={1234} />));
    expect(shown).toContain("last 1 of 1,234");
    expect(shown).toContain("target");
    expect(shown).toContain("+19.00");
  });
});
