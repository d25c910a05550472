/** What the strategies say, how the portfolio weighs it, and where both come from. */

import { memo } from "react";

import { fixed, percent, price, quantity, shortTime, signed, tone, words } from "../format";
import { symbolOf } from "../series";
import type { Configuration, Figures, Job, Signal, Weights as WeightVector } from "../types";
import { Panel, Side, Table } from "./Panel";

export const Signals = memo(function Signals({ signals }: { signals: readonly Signal[] }) {
  return (
    <Panel
      area="signals"
      title="Signals"
      note="newest first, UTC"
      awaited={signals.length ? null : "Waiting for the first signal of an active configuration."}
    >
      <Table
        testId="signals"
        caption="Latest signals of the strategies"
        columns={[
          { name: "Time" },
          { name: "Signal" },
          { name: "Strategy" },
          { name: "Price", isNumber: true },
        ]}
      >
        {signals.map((signal) => (
          <tr key={signal.signal_id}>
            <td className="muted">{shortTime(signal.decided_at)}</td>
            <td>
              <b>{signal.symbol}</b> <Side side={signal.action} />
            </td>
            <td className="muted">{words(signal.strategy)}</td>
            <td className="number">{price(signal.reference_price)}</td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
});

export const Weights = memo(function Weights({ weights }: { weights: WeightVector | null }) {
  const entries = Object.entries(weights?.weights ?? {}).sort(([, a], [, b]) => b - a);
  const cash = 1 - entries.reduce((sum, [, weight]) => sum + weight, 0);
  const bars = cash > 0.0005 ? [...entries, ["cash", cash] as const] : entries;
  return (
    <Panel
      area="weights"
      title="Portfolio weights"
      note={weights ? words(weights.policy) : undefined}
      awaited={weights ? null : "Waiting for the first weights, decided at a close."}
    >
      <ul className="weights" data-testid="weights">
        {bars.map(([instrument, weight]) => (
          <li key={instrument} className={instrument === "cash" ? "cash" : ""}>
            <span>{symbolOf(instrument)}</span>
            <span className="bar" aria-hidden="true">
              <span style={{ width: `${weight * 100}%` }} />
            </span>
            <span className="number">{percent(weight * 100, 1)}</span>
          </li>
        ))}
      </ul>
      {weights && (
        <p className="foot">
          decided {shortTime(weights.close_time)} UTC, binding from the next close
          {weights.missing.length > 0 && ` · without ${weights.missing.map(symbolOf).join(", ")}`}
        </p>
      )}
    </Panel>
  );
});

/** What a job is about, as far as its specification says. */
function subject(spec: Record<string, unknown>): string {
  const { strategies, symbols } = spec;
  if (!Array.isArray(strategies) || !Array.isArray(symbols)) return "";
  return ` ${strategies.map((name) => words(String(name))).join(" and ")} on ${symbols.join(", ")}`;
}

/** The job that runs or waits, if any. */
export const JobProgress = memo(function JobProgress({ jobs }: { jobs: readonly Job[] }) {
  const job = jobs.find((one) => one.status === "RUNNING") ?? jobs.find((one) => one.status === "QUEUED");
  if (!job) return null;
  const share = job.total > 0 ? (job.done / job.total) * 100 : 0;
  const name = job.cancel_requested
    ? "Training is being cancelled"
    : job.status === "QUEUED"
      ? "Training waits for a worker"
      : `Training${subject(job.spec)}`;
  return (
    <div className="job" data-testid="job">
      <span>{name}</span>
      <progress max={100} value={share} aria-label="Progress of the training job" />
      <span className="muted">
        {job.total > 0 ? `${fixed(job.done, 0)} of ${fixed(job.total, 0)} trials` : "preparing"}
      </span>
    </div>
  );
});

const SAMPLES = [
  ["net_profit_pct", "Net %", "Net profit in percent, after fees and slippage"],
  ["max_drawdown_pct", "DD %", "Deepest drawdown in percent"],
  ["sharpe", "Sharpe", "Of daily returns, 365 days a year"],
  ["gross_win_rate", "Win %", "Trades with a profit before fees"],
  ["trades", "Trades", "Closed trades"],
] as const;

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

/** The same figures where there is no room to set them side by side: one card each. */
function Cards({ configurations }: { configurations: readonly Configuration[] }) {
  return (
    <ul className="cards">
      {configurations.map((one) => (
        <li key={one.configuration_id} className={one.is_active ? "" : "inactive"}>
          <Name one={one} />
          <table>
            <caption className="unseen">{one.strategy} on {one.symbol}</caption>
            <thead>
              <tr>
                <th scope="col">{fixed(one.trials, 0)} trials</th>
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
            On paper: {fixed(one.paper_trades, 0)} trades
            {one.paper_trades > 0 && (
              <span className={tone(Number(one.paper_profit))}>
                {" "}
                {signed(Number(one.paper_profit), 2)}
              </span>
            )}
          </small>
        </li>
      ))}
    </ul>
  );
}

function Name({ one }: { one: Configuration }) {
  return (
    <>
      <b>{one.symbol}</b> {words(one.strategy)}{" "}
      <span className="narrow-inline">
        <Stage one={one} />
      </span>
      <small title={paramsText(one.params)}>{paramsText(one.params)}</small>
    </>
  );
}

function Stage({ one }: { one: Configuration }) {
  return (
    <span className={`chip ${one.is_active ? "on" : "off"}`}>
      {one.is_active ? "active" : "idle"} · {one.stage.toLowerCase()}
    </span>
  );
}

function paramsText(params: Record<string, unknown>): string {
  return Object.entries(params)
    .map(([name, value]) => `${words(name)} ${typeof value === "number" ? quantity(value.toPrecision(4)) : String(value)}`)
    .join(", ");
}

export const Configurations = memo(function Configurations({
  configurations,
  isTraining,
}: {
  configurations: readonly Configuration[];
  isTraining: boolean;
}) {
  return (
    <Panel
      area="configurations"
      title="Configurations"
      note="out-of-sample figures are those to trust; in-sample ones were searched for"
      awaited={
        configurations.length
          ? null
          : isTraining
            ? "Waiting for the training job: it stores what it finds here."
            : "No configuration yet: a training job stores what it finds here."
      }
    >
      <Cards configurations={configurations} />
      <div className="scroll" tabIndex={0} role="region" aria-label="Configurations">
        <table data-testid="configurations" className="grouped">
          <caption className="unseen">
            Trained configurations with in-sample and out-of-sample figures and number of trials
          </caption>
          <thead>
            <tr>
              <th scope="col" colSpan={3} />
              <th scope="colgroup" colSpan={SAMPLES.length} className="group">
                In-sample
              </th>
              <th scope="colgroup" colSpan={SAMPLES.length} className="group edge">
                Out-of-sample
              </th>
              <th scope="colgroup" colSpan={2} className="group edge">
                On paper
              </th>
            </tr>
            <tr>
              <th scope="col">Configuration</th>
              <th scope="col">Stage</th>
              <th scope="col" className="number" title="Parameter sets that the search tried">
                Trials
              </th>
              {[0, 1].flatMap((sample) =>
                SAMPLES.map(([name, label, title], i) => (
                  <th
                    key={`${sample}${name}`}
                    scope="col"
                    title={title}
                    className={`number ${sample === 1 && i === 0 ? "edge" : ""}`}
                  >
                    {label}
                  </th>
                )),
              )}
              <th scope="col" className="number edge">
                Trades
              </th>
              <th scope="col" className="number" title="After fees, quote currency">
                Profit
              </th>
            </tr>
          </thead>
          <tbody>
            {configurations.map((one) => (
              <tr key={one.configuration_id} className={one.is_active ? "" : "inactive"}>
                <td>
                  <Name one={one} />
                </td>
                <td>
                  <Stage one={one} />
                </td>
                <td className="number">{fixed(one.trials, 0)}</td>
                <Sample figures={one.in_sample} first />
                <Sample figures={one.out_of_sample} first={false} />
                <td className="number edge">{fixed(one.paper_trades, 0)}</td>
                <td className={`number ${tone(Number(one.paper_profit))}`}>
                  {one.paper_trades ? signed(Number(one.paper_profit), 2) : "–"}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
});

