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
    };
    const shown = text(renderToStaticMarkup(<Weights known={READY} weights={weights} />));
    expect(shown).toContain("BTC/USD 50.0 % ETH/USD 25.0 % cash 25.0 %");
    expect(shown).toContain("inverse volatility");
    expect(shown).toContain("without LTC/USD");
  });
});
