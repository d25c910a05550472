import { useEffect, useMemo } from "react";

import { CandleChart } from "./charts/CandleChart";
import { EquityChart } from "./charts/EquityChart";
import { price, tone } from "./format";
import { Orders, Positions, Trades } from "./panels/Account";
import { Configurations } from "./panels/Configurations";
import { Signals, Weights } from "./panels/Decisions";
import { Figures } from "./panels/Figures";
import { Header } from "./panels/Header";
import { JobProgress, Jobs } from "./panels/Jobs";
import { Panel } from "./panels/Panel";
import { parseSeries } from "./series";
import { firstPick } from "./state";
import { type Store, useShown } from "./store";
import type { CandleRow, Series } from "./types";

const RECORDED = ["replay", "import", "backfill"];

interface Props {
  store: Store;
  follow: (series: string | null) => void;
  asked: string | null;
}

export function App({ store, follow, asked }: Props) {
  const state = useShown(store);
  const { picked, series, overview } = state;

  useEffect(() => follow(picked), [follow, picked]);
  useEffect(() => {
    if (picked !== null) return;
    const first = firstPick(series, asked);
    if (first !== null) store.dispatch({ type: "picked", series: first });
  }, [store, picked, series, asked]);

  const held = useMemo(
    () => state.positions.filter((position) => position.series === picked),
    [state.positions, picked],
  );
  const isRecorded = overview?.source == null || RECORDED.includes(overview.source);
  const isTraining = state.jobs.some(
    (job) => job.kind === "search" && (job.status === "RUNNING" || job.status === "QUEUED"),
  );
  const known = picked === null ? null : parseSeries(picked);
  const wait = state.connection === "signed-out" ? "Signed out." : null;

  return (
    <>
      <Header
        connection={state.connection}
        eventTime={state.eventTime}
        settledTime={overview?.settled_time ?? null}
        isRecorded={isRecorded}
        health={state.health}
      />
      {state.connection === "signed-out" && (
        <p className="alarm" role="alert">
          This page&apos;s token is no longer valid. Open the address that <code>tradepulse up</code>{" "}
          printed last.
        </p>
      )}
      {isRecorded && (
        <p className="notice">
          A replay of recorded candles on a paper account. No real order is placed; what you see is
          not a forecast.
        </p>
      )}
      <JobProgress jobs={state.jobs} />
      <main>
        <Figures overview={overview} point={state.equity.at(-1) ?? null} />
        <Panel
          area="candles"
          title={known ? `${known.symbol} · ${known.timeframe}` : "Candles"}
          note={
            series.length > 0 && (
              <Picker
                series={series}
                last={state.last}
                picked={picked}
                onPick={(one) => store.dispatch({ type: "picked", series: one })}
              />
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
      <footer>
        <span>
          TradePulse · all times UTC · <a href="/api/docs">API</a>
        </span>
        <span>
          Charts: TradingView Lightweight Charts™, © TradingView, Inc.{" "}
          <a href="https://www.tradingview.com/" rel="noreferrer" target="_blank">
            tradingview.com
          </a>
        </span>
      </footer>
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
