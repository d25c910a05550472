/** Whether what trades has passed the gates: said before anybody takes its figures for a promise. */

import { memo } from "react";

import type { Configuration } from "../../api/types";
import { counted, fixed } from "../../lib/format";
import { parseSeries } from "../../lib/series";
import { Whose } from "../../ui/Whose";

/** One that the demo does not search, to look for more. */
const ANOTHER = "donchian_breakout";
const PATH = "on paper, to show the way from a candle to a trade, not in hope of a profit";

/** What the gates said of what trades, as one sentence; null where all of it has passed. */
export function verdict(configurations: readonly Configuration[]): string | null {
  const trading = configurations.filter((one) => one.is_active && one.passed !== true);
  const all = configurations.filter((one) => one.is_active).length;
  const refused = trading.filter((one) => one.passed === false).length;
  const waiting = trading.length - refused;
  if (trading.length === 0) return null;
  const count = refused > 0 ? refused : waiting;
  const isOne = count === all || count === 1;
  const what = count === all ? "What trades here" : `${count} of ${counted(all, "configuration")} that trade here`;
  const said = refused > 0 ? `${isOne ? "was" : "were"} refused by the gates` : `${isOne ? "has" : "have"} not been judged by the gates yet`;
  return `${what} ${said}: ${isOne ? "it trades" : "they trade"} ${PATH}.`;
}

export const Standing = memo(function Standing({ configurations }: { configurations: readonly Configuration[] }) {
  const said = verdict(configurations);
  const first = configurations.find((one) => one.is_active);
  if (said === null || first === undefined) return null;
  const passed = configurations.filter((one) => one.passed === true && !one.retired);
  const { exchange, symbol, timeframe } = parseSeries(first.series);
  return (
    <details className="notice standing" data-testid="standing">
      <summary>
        {said} <span className="more">Why, and how to look at one that passed</span>
      </summary>
      <p>
        <b>What the gates are.</b> A search tried {first.trials === null ? "many" : fixed(first.trials, 0)} sets of
        parameters{first.trials === null ? "" : ` for ${symbol}`} and kept the best. The best of many looks good by luck
        alone, so each is put before the gates: they ask, most of them on candles that the search did not see, whether there
        is more to it. One refusal is enough. The column <i>Gates</i>, below, tells how many were passed; its number opens the
        report, which says why in sentences.
      </p>
      <p>
        <b>Why it trades all the same.</b> It was switched on before its verdict. <code>tradepulse up</code> does so with
        recorded candles, so that there is something to see from the first minute. A person may, too; nothing but paper is
        at stake.
      </p>
      <p>
        <b>How to look at one that passed.</b>{" "}
        {passed.length > 0 ? (
          <>
            {passed.length === 1 ? "This one has: " : "These have: "}
            {passed.map((one, i) => (
              <span key={one.configuration_id}>
                {i > 0 && ", "}
                <Whose row={one} /> on {one.symbol}
              </span>
            ))}
            . A click shows what it does; its number under <i>Gates</i> is green.
          </>
        ) : (
          <>
            Here none has, which is the usual answer of honest gates. Search for one in another terminal:{" "}
            <code>
              tradepulse optimize --exchange {exchange} --symbol {symbol} --timeframe {timeframe} --strategy {ANOTHER}{" "}
              --trials 300
            </code>
            . What it keeps goes before the gates, and what passes all of them is switched on by itself: its number under{" "}
            <i>Gates</i> is green, and it is named here.
          </>
        )}
      </p>
    </details>
  );
});
