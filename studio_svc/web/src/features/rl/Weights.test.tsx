import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import { READY } from "../../api/known";
import { text } from "../../ui/fixtures";
import { Weights } from "./Weights";

describe("weights", () => {
  it.each([
    [<Weights known={READY} weights={null} />, "Waiting for the first weights"],
  ])("say what is awaited, %#", (panel, said) => {
    expect(text(renderToStaticMarkup(panel))).toContain(said);
  });

  it("show what weights leave in cash", () => {
    const weights = {
      portfolio: "main",
      close_time: 0,
      policy: "inverse_volatility",
      weights: { "kraken:ETH/USD": 0.25, "kraken:BTC/USD": 0.5 },
      missing: ["kraken:LTC/USD"],
      budget: 1,
      model_id: null,
      fallback: null,
    };
    const shown = text(renderToStaticMarkup(<Weights known={READY} weights={weights} />));
    expect(shown).toContain("BTC/USD 50.0 % ETH/USD 25.0 % cash 25.0 %");
    expect(shown).toContain("inverse volatility");
    expect(shown).toContain("without LTC/USD");
    expect(shown).not.toContain("could not");
  });

  it("say why a policy did not decide", () => {
    const weights = {
      portfolio: "main",
      close_time: 0,
      policy: "inverse_volatility",
      weights: { "kraken:ETH/USD": 0.9, "kraken:BTC/USD": 0.8 },
      missing: [],
      budget: 2,
      model_id: "11111111-2222-3333-4444-555555555555",
      fallback: "not_finite",
    };
    const shown = text(renderToStaticMarkup(<Weights known={READY} weights={weights} />));
    expect(shown).toContain("its own policy could not: not finite");
    // with a budget of 2 nothing is left
    expect(shown).not.toContain("cash");
  });
});
