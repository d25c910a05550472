import { useMemo } from "react";

import type { CandleRow, Series } from "../api/types";
import { CandleChart } from "../charts/candles/CandleChart";
import { EquityChart } from "../charts/curves/EquityChart";
import { useScheme } from "../charts/theme";
import { Orders, Positions, Trades } from "../features/orders/Account";
import { Signals, Weights } from "../features/orders/Decisions";
import { Figures } from "../features/overview/Figures";
import { Configurations } from "../features/studio/Configurations";
import { JobProgress, Jobs } from "../features/studio/Jobs";
import { price, tone } from "../lib/format";
import { parseSeries } from "../lib/series";
import type { State } from "../live/state";
import { Panel } from "../ui/Panel";

interface Props {
  state: State;
  onPick: (series: string) => void;
}

/** The page of the account: what the strategies decide and what comes of it. */
export function Trading({ state, onPick }: Props) {
  const { picked, series, overview } = state;
  const scheme = useScheme();
  const held = useMemo(
    () => state.positions.filter((position) => position.series === picked),
    [state.positions, picked],
  );
  const isTraining = state.jobs.some(
    (job) => job.kind === "search" && (job.status === "RUNNING" || job.status === "QUEUED"),
  );
  const known = picked === null ? null : parseSeries(picked);
  const wait = state.connection === "signed-out" ? "Signed out." : null;

  return (
    <>
      <JobProgress jobs={state.jobs} />
      <main>
        <Figures overview={overview} point={state.equity.at(-1) ?? null} />
        <Panel
          area="candles"
          title={known ? `${known.symbol} · ${known.timeframe}` : "Candles"}
          note={
            series.length > 0 && (
              <Picker series={series} last={state.last} picked={picked} onPick={onPick} />
            )
          }
          awaited={
            wait ??
            (state.candles.rows.length > 0
              ? null
              : isTraining
                ? "Waiting for the first candle. Training comes first; its configurations then trade the rest."
                : "Waiting for the first candle.")
          }
        >
          {known && (
            <CandleChart
              key={scheme}
              name={`${known.symbol} ${known.timeframe}`}
              series={known.series}
              candles={state.candles}
              trades={state.seriesTrades}
              positions={held}
            />
          )}
        </Panel>
        <Panel
          area="equity"
          title="Equity and drawdown"
          note="settled closes, UTC"
          awaited={wait ?? (state.equity.length ? null : "Waiting for the first settled close.")}
        >
          <EquityChart
            key={scheme}
            equity={state.equity}
            initialCash={overview?.initial_cash ? Number(overview.initial_cash) : null}
          />
        </Panel>
        <Positions positions={state.positions} />
        <Weights weights={state.weights} />
        <Signals signals={state.signals} />
        <Orders orders={state.orders} />
        <Trades trades={state.trades} total={overview?.trades ?? 0} />
        <Configurations configurations={state.configurations} isTraining={isTraining} />
        <Jobs jobs={state.jobs} />
      </main>
    </>
  );
}

function Picker({
  series,
  last,
  picked,
  onPick,
}: {
  series: readonly Series[];
  last: Readonly<Record<string, CandleRow>>;
  picked: string | null;
  onPick: (series: string) => void;
}) {
  return (
    <span className="picker" role="group" aria-label="Series">
      {series.map((one) => {
        const row = last[one.series];
        return (
          <button
            key={one.series}
            type="button"
            aria-pressed={one.series === picked}
            title={one.series}
            onClick={() => onPick(one.series)}
          >
            {one.symbol.split("/")[0]}
            {row && <small className={tone(row[4] - row[1])}>{price(row[4])}</small>}
          </button>
        );
      })}
    </span>
  );
}
