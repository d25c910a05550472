/** The policy beside the simple ones, in each part of time, and how sure the difference is. */

import { fixed, percent, signed, tone } from "../../lib/format";
import { intervals } from "./interval";
import type { Compared, Figures, Report } from "./report";
import { PARTS } from "./split";

const FIGURES: readonly (readonly [keyof Figures, string, string])[] = [
  ["growth_pct", "Growth %", "Of the equity, over the whole part"],
  ["sharpe", "Sharpe", "Of daily returns, a year"],
  ["max_drawdown_pct", "DD %", "Deepest fall"],
  ["exposure", "Exposure", "Mean of the positions over the equity"],
  ["costs_pct", "Costs %", "How much higher the equity would have ended without costs"],
];

function shown(figures: Figures | undefined, name: keyof Figures): string {
  const value = figures?.[name] ?? null;
  if (name === "growth_pct") return signed(value, 1);
  return fixed(value, name === "max_drawdown_pct" || name === "costs_pct" ? 1 : 2);
}

export function Baselines({ report }: { report: Report }) {
  return (
    <>
      <div className="scroll" tabIndex={0} role="region" aria-label="The policy beside simple ones">
        <table className="grouped baselines" data-testid="baselines">
          <caption className="unseen">The policy, then the baselines, in train, validation and test</caption>
          <thead>
            <tr>
              <th scope="col" />
              {[...PARTS].reverse().map((part) => (
                <th key={part} scope="colgroup" colSpan={FIGURES.length} className="group edge">
                  {part}
                </th>
              ))}
            </tr>
            <tr>
              <th scope="col">Weights</th>
              {[...PARTS].reverse().flatMap((part) =>
                FIGURES.map(([name, label, title], n) => (
                  <th key={`${part}${name}`} scope="col" title={title} className={`number ${n ? "" : "edge"}`}>
                    {label}
                  </th>
                )),
              )}
            </tr>
          </thead>
          <tbody>
            {report.table.map((row, n) => (
              <tr key={row.name} className={n === 0 ? "own" : ""}>
                <th scope="row">{row.title}</th>
                {[...PARTS].reverse().flatMap((part) =>
                  FIGURES.map(([name], column) => (
                    <td
                      key={`${part}${name}`}
                      className={`number ${column ? "" : "edge"} ${name === "growth_pct" ? tone(row.parts[part]?.growth_pct) : ""}`}
                    >
                      {shown(row.parts[part], name)}
                    </td>
                  )),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <h4>Excess over each, on the test range</h4>
      <p className="muted">Each bar reaches from what is sure of the excess to what was found; the line is no difference.</p>
      <Excess compared={report.compared} />
    </>
  );
}

/** Each difference from what is sure of it to what was found: a bar that crosses 0 proves nothing. */
function Excess({ compared }: { compared: readonly Compared[] }) {
  const { zero, bars } = intervals(compared);
  return (
    <ul className="excess" data-testid="excess">
      {compared.map((one, n) => {
        const bar = bars[n];
        const isSure = one.lower_pct > 0;
        return (
          <li key={one.name} data-crosses={!isSure}>
            <span>
              {one.title}
              {!one.is_judged && <small className="muted"> told only</small>}
            </span>
            <span className="interval" aria-hidden="true">
              <i className="zero" style={{ left: `${zero}%` }} />
              {bar !== undefined && (
                <>
                  <i
                    className={isSure ? "reach sure" : "reach"}
                    style={{ left: `${bar.from}%`, width: `${bar.width}%` }}
                  />
                  <i className="found" style={{ left: `${bar.at}%` }} />
                </>
              )}
            </span>
            <span className="number">
              {signed(one.excess_pct, 1)} %
              <small className="muted">
                sure of {signed(one.lower_pct, 1)} %, chance {percent(100 * one.chance, 1)}
              </small>
            </span>
          </li>
        );
      })}
    </ul>
  );
}
