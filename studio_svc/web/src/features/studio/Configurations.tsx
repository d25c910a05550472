/** The trained configurations: in-sample beside out-of-sample, what the gates said, their history. */

import { memo, useState, useSyncExternalStore } from "react";

import type { Known } from "../../api/known";
import type { Configuration, Figures } from "../../api/types";
import { counted, fixed, quantity, signed, time, tone, words } from "../../lib/format";
import { Stage } from "../../ui/Chip";
import { Panel } from "../../ui/Panel";
import { Whose } from "../../ui/Whose";
import { History } from "./History";

const SAMPLES = [
  ["net_profit_pct", "Net %", "Net profit in percent, after fees and slippage"],
  ["max_drawdown_pct", "DD %", "Deepest drawdown in percent"],
  ["sharpe", "Sharpe", "Of daily returns, 365 days a year"],
  ["gross_win_rate", "Win %", "Trades with a profit before fees"],
  ["trades", "Trades", "Closed trades"],
] as const;
/** Where there is no room to set both samples side by side. */
const NARROW = "(max-width: 700px)";
const COLUMNS = 7 + 2 * SAMPLES.length;

function useNarrow(): boolean {
  return useSyncExternalStore(
    (listener) => {
      const query = matchMedia(NARROW);
      query.addEventListener("change", listener);
      return () => query.removeEventListener("change", listener);
    },
    () => matchMedia(NARROW).matches,
    () => false,
  );
}

function Sample({ figures, first }: { figures: Figures | null; first: boolean }) {
  return SAMPLES.map(([name], i) => {
    const value = figures?.[name] ?? null;
    const shown =
      name === "net_profit_pct"
        ? signed(value, 1)
        : name === "gross_win_rate"
          ? fixed(value === null ? null : value * 100, 0)
          : fixed(value, name === "trades" ? 0 : name === "sharpe" ? 2 : 1);
    const color = name === "net_profit_pct" ? tone(value) : "";
    const edge = i === 0 && !first ? "edge" : "";
    return (
      <td key={name} className={`number ${color} ${edge}`}>
        {shown}
      </td>
    );
  });
}

/** How many gates were passed, as a link to the report. */
function Gates({ one }: { one: Configuration }) {
  if (one.passed === null) return <span className="muted">{one.stage === "VALIDATION" ? "waiting" : "–"}</span>;
  return (
    <a
      className={one.passed ? "up" : "down"}
      href={`/api/configurations/${one.configuration_id}/report.html`}
      target="_blank"
      rel="noreferrer"
      title={`Report of ${time(one.validated_at)} UTC: ${one.passed ? "passed" : "refused"}`}
      data-testid="report"
    >
      {one.gates_passed === null ? "report" : `${one.gates_passed} of ${one.gates}`}
    </a>
  );
}

/** All parameters but those that are switched off by 0. */
function paramsText(params: Record<string, unknown>): string {
  return Object.entries(params)
    .filter(([, value]) => value !== 0)
    .map(([name, value]) => `${words(name)} ${typeof value === "number" ? quantity(value.toPrecision(4)) : String(value)}`)
    .join(", ");
}

interface Row {
  one: Configuration;
  isOpen: boolean;
  onToggle: () => void;
}

function Name({ one, isOpen, onToggle }: Row) {
  return (
    <>
      <button type="button" className="name" aria-expanded={isOpen} onClick={onToggle} title="Show its history">
        <b>{one.symbol}</b> {words(one.strategy)}
      </button>
      <small title={paramsText(one.params)}>
        {/* its strategy stands above */}
        <Whose row={{ ...one, strategy: null }} /> · {paramsText(one.params)}
      </small>
    </>
  );
}

function State({ one }: { one: Configuration }) {
  return (
    <>
      <Stage stage={one.stage} retired={one.retired} />{" "}
      {one.is_active && <span className="chip on">active</span>}
    </>
  );
}

function Paper({ one }: { one: Configuration }) {
  return one.paper_trades ? signed(Number(one.paper_profit), 2) : "–";
}

/** The same figures where there is no room to set them side by side. */
function Card({ one, isOpen, onToggle }: Row) {
  return (
    <li className={one.is_active ? "" : "inactive"}>
      <Name one={one} isOpen={isOpen} onToggle={onToggle} />
      <p>
        <State one={one} /> gates <Gates one={one} />
      </p>
      <table>
        <caption className="unseen">
          {one.strategy} on {one.symbol}
        </caption>
        <thead>
          <tr>
            <th scope="col">{counted(one.trials, "trial")}</th>
            {SAMPLES.map(([name, label, title]) => (
              <th key={name} scope="col" className="number" title={title}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">In-sample</th>
            <Sample figures={one.in_sample} first />
          </tr>
          <tr>
            <th scope="row">Out-of-sample</th>
            <Sample figures={one.out_of_sample} first />
          </tr>
        </tbody>
      </table>
      <small>
        On paper: {counted(one.paper_trades, "trade")}{" "}
        <span className={tone(Number(one.paper_profit))}>{one.paper_trades > 0 && <Paper one={one} />}</span>
      </small>
      {isOpen && <History one={one} />}
    </li>
  );
}

function Line({ one, isOpen, onToggle }: Row) {
  return (
    <>
      <tr className={one.is_active ? "" : "inactive"}>
        <td>
          <Name one={one} isOpen={isOpen} onToggle={onToggle} />
        </td>
        <td>
          <State one={one} />
        </td>
        <td className="number">{fixed(one.trials, 0)}</td>
        <Sample figures={one.in_sample} first={false} />
        <Sample figures={one.out_of_sample} first={false} />
        <td className="number edge">
          <Gates one={one} />
        </td>
        <td className="number edge">{fixed(one.paper_trades, 0)}</td>
        <td className={`number ${tone(Number(one.paper_profit))}`}>
          <Paper one={one} />
        </td>
      </tr>
      {isOpen && (
        <tr className="opened">
          <td colSpan={COLUMNS}>
            <History one={one} />
          </td>
        </tr>
      )}
    </>
  );
}

function Head() {
  return (
    <thead>
      <tr>
        <th scope="col" colSpan={3} />
        {["In-sample", "Out-of-sample"].map((sample) => (
          <th key={sample} scope="colgroup" colSpan={SAMPLES.length} className="group edge">
            {sample}
          </th>
        ))}
        <th scope="col" className="edge" />
        <th scope="colgroup" colSpan={2} className="group edge">
          On paper
        </th>
      </tr>
      <tr>
        <th scope="col">Configuration</th>
        <th scope="col">Stage</th>
        <th scope="col" className="number" title="Parameter sets that were tried">
          Trials
        </th>
        {["in", "out"].flatMap((sample) =>
          SAMPLES.map(([name, label, title], i) => (
            <th key={`${sample}${name}`} scope="col" title={title} className={`number ${i ? "" : "edge"}`}>
              {label}
            </th>
          )),
        )}
        <th scope="col" className="number edge" title="Gates passed at the last validation; opens its report">
          Gates
        </th>
        <th scope="col" className="number edge">
          Trades
        </th>
        <th scope="col" className="number" title="After fees, quote currency">
          Profit
        </th>
      </tr>
    </thead>
  );
}

export const Configurations = memo(function Configurations({
  configurations,
  known,
  isTraining,
}: {
  configurations: readonly Configuration[];
  known: Known;
  isTraining: boolean;
}) {
  const [opened, setOpened] = useState<string | null>(null);
  const isNarrow = useNarrow();
  const rows = configurations.map((one) => ({
    one,
    isOpen: one.configuration_id === opened,
    onToggle: () => setOpened(one.configuration_id === opened ? null : one.configuration_id),
  }));
  return (
    <Panel
      area="configurations"
      title="Configurations"
      note="out-of-sample figures are those to trust; in-sample ones were searched for"
      known={known}
      awaited={
        configurations.length
          ? null
          : isTraining
            ? "Waiting for the training job: it stores what it finds here."
            : "No configuration yet: a training job stores what it finds here."
      }
    >
      {isNarrow ? (
        <ul className="cards" data-testid="configurations">
          {rows.map((row) => (
            <Card key={row.one.configuration_id} {...row} />
          ))}
        </ul>
      ) : (
        <div className="scroll" tabIndex={0} role="region" aria-label="Configurations">
          <table data-testid="configurations" className="grouped">
            <caption className="unseen">
              Trained configurations with in-sample and out-of-sample figures, number of trials and gates passed
            </caption>
            <Head />
            <tbody>
              {rows.map((row) => (
                <Line key={row.one.configuration_id} {...row} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
});
