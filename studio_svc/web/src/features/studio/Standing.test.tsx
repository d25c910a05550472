import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";

import { configuration, ID } from "../../api/fixtures";
import { text } from "../../ui/fixtures";
import { Standing, verdict } from "./Standing";

const trades = (passed: boolean | null, id = "c") => configuration(id, { is_active: true, passed, trials: 60 });
const shown = (...configurations: Parameters<typeof configuration>[1][]) =>
  text(renderToStaticMarkup(<Standing configurations={configurations.map((one, i) => configuration(`${i}`, one))} />));

describe("what the gates said of what trades", () => {
  it.each([
    [[], null],
    [[configuration("off", { passed: false })], null],
    [[trades(true), trades(true)], null],
    [[trades(false), trades(false)], "What trades here was refused by the gates: it trades on paper, to show"],
    [[trades(false), trades(true), trades(null)], "1 of 3 configurations that trade here was refused by the gates: it trades"],
    [[trades(false), trades(false), trades(true)], "2 of 3 configurations that trade here were refused by the gates: they trade"],
    [[trades(null), trades(null)], "What trades here has not been judged by the gates yet: it trades on paper"],
    [[trades(null), trades(null), trades(true)], "2 of 3 configurations that trade here have not been judged by the gates yet: they"],
  ])("is one sentence, %#", (configurations, said) => {
    if (said === null) expect(verdict(configurations)).toBeNull();
    else expect(verdict(configurations)).toContain(said);
  });

  it("comes with what to do where none has passed, and the words to type", () => {
    const told = shown({ is_active: true, passed: false, trials: 60 });
    expect(told).toContain("A search tried 60 sets");
    expect(told).toContain("Here none has, which is the usual answer");
    expect(told).toContain(
      "tradepulse optimize --exchange kraken --symbol BTC/USD --timeframe 30m --strategy donchian_breakout --trials 300",
    );
    expect(shown({ passed: false })).toBe("");
  });

  it("names those that passed, and leads to them", () => {
    const passed = configuration(ID, { strategy: "supertrend", passed: true });
    const markup = renderToStaticMarkup(<Standing configurations={[trades(false), passed]} />);
    expect(text(markup)).toContain("This one has: supertrend 3166a7b9 on BTC/USD . A click");
    expect(markup).toContain(`href="/?configuration=${ID}"`);
    expect(markup).not.toContain("tradepulse optimize");
    const retired = renderToStaticMarkup(<Standing configurations={[trades(false), { ...passed, retired: true }]} />);
    expect(text(retired)).toContain("Here none has");
  });
});
