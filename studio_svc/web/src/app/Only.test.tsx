import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";

import { configuration, ETH, ID } from "../api/fixtures";
import { text } from "../ui/fixtures";
import { Only } from "./Only";

const known = [
  configuration(ID, { is_active: true }),
  configuration("77777777-2", { strategy: "supertrend", series: ETH, symbol: "ETH/USD" }),
  configuration("88888888-3", { is_active: true }),
];

it("offers all configurations by strategy, with their series, and says which are off", () => {
  const markup = renderToStaticMarkup(<Only configurations={known} chosen={null} />);
  expect([...markup.matchAll(/<optgroup label="([^"]+)">/g)].map(([, label]) => label)).toEqual(["sma cross", "supertrend"]);
  expect([...markup.matchAll(/<option[^>]*>(.*?)<\/option>/g)].map(([, said = ""]) => text(said))).toEqual([
    "all configurations",
    "sma cross 3166a7b9 · BTC/USD 30m",
    "sma cross 88888888 · BTC/USD 30m",
    "supertrend 77777777 · ETH/USD 30m, off",
  ]);
  expect(text(markup)).not.toContain("show all");
});

it("says what is left out, and leads back to all", () => {
  const markup = renderToStaticMarkup(<Only configurations={known} chosen={ID} />);
  expect(text(markup)).toContain("show all Figures, equity and weights are those of the whole account.");
  // one that is not among the known is chosen all the same
  expect(renderToStaticMarkup(<Only configurations={[]} chosen={ID} />)).toContain(
    `<option value="${ID}" selected="">3166a7b9</option>`,
  );
  expect(renderToStaticMarkup(<Only configurations={[]} chosen={null} />)).toBe("");
});
