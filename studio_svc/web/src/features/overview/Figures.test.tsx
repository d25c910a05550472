import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import { overview } from "../../api/fixtures";
import { LOADING, READY } from "../../api/known";
import { text } from "../../ui/fixtures";
import { Figures } from "./Figures";

describe("figures", () => {
  it("show the newest settled close before the overview", () => {
    const shown = text(
      renderToStaticMarkup(
        <Figures known={READY} overview={overview({ win_rate: 0.25, trades: 4 })} point={[1, 11_000, 0, 5_500, 2]} />,
      ),
    );
    expect(shown).toContain("Equity 11,000.00 from 10,000 · 01-01 00:00");
    expect(shown).toContain("Net profit +10.00 %");
    expect(shown).toContain("Open positions 2 exposure 50 %");
    expect(shown).toContain("Win rate 25.0 %");
    const unknown = text(renderToStaticMarkup(<Figures known={LOADING} overview={null} point={null} />));
    expect(unknown).toContain("Equity –");
    expect(unknown).toContain("Trades –");
  });
});
