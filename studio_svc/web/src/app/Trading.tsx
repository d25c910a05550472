import { useMemo } from "react";

import { CandlePanel } from "../features/markets/CandlePanel";
import { Orders } from "../features/orders/Orders";
import { Positions } from "../features/orders/Positions";
import { Signals } from "../features/orders/Signals";
import { Trades } from "../features/orders/Trades";
import { EquityPanel } from "../features/overview/EquityPanel";
import { Figures } from "../features/overview/Figures";
import { Weights } from "../features/rl/Weights";
import { Configurations } from "../features/studio/Configurations";
import { JobProgress, Jobs } from "../features/studio/Jobs";
import { Standing } from "../features/studio/Standing";
import { named, ofOne, strategiesOf } from "../lib/whose";
import { isCut, known, type State } from "../live/state";
import { Only } from "./Only";

interface Props {
  state: State;
  /** The ledger does not follow the candles, or the page does not hear of it. */
  isLate: boolean;
  onPick: (series: string) => void;
}

/** The page of the account: what the strategies decide and what comes of it. */
export function Trading({ state, isLate, onPick }: Props) {
  const { overview, configuration } = state;
  const strategies = useMemo(() => strategiesOf(state.configurations), [state.configurations]);
  const orders = useMemo(() => named(state.orders, strategies), [state.orders, strategies]);
  const trades = useMemo(() => named(state.trades, strategies), [state.trades, strategies]);
  const seriesTrades = useMemo(() => named(state.seriesTrades, strategies), [state.seriesTrades, strategies]);
  const positions = useMemo(() => ofOne(state.positions, configuration), [state.positions, configuration]);
  const isOne = configuration !== null;
  const one = state.configurations.find((known) => known.configuration_id === configuration);
  const total = (isOne ? one?.paper_trades : overview?.trades) ?? null;
  const isTraining = state.jobs.some(
    (job) => job.kind === "search" && (job.status === "RUNNING" || job.status === "QUEUED"),
  );
  const age = isLate ? "late" : "";

  return (
    <>
      <JobProgress jobs={state.jobs} />
      <Standing configurations={state.configurations} />
      <Only configurations={state.configurations} chosen={configuration} />
      <main className={isCut(state) ? "cut" : age}>
        <Figures overview={overview} point={state.equity.at(-1) ?? null} known={known(state, "overview")} />
        <CandlePanel
          state={state}
          trades={seriesTrades}
          positions={positions}
          isTraining={isTraining}
          onPick={onPick}
        />
        <EquityPanel equity={state.equity} overview={overview} known={known(state, "equity")} />
        <Positions positions={positions} known={known(state, "positions")} isLate={isLate} isOne={isOne} />
        <Weights weights={state.weights} known={known(state, "weights")} />
        <Signals signals={state.signals} known={known(state, "signals")} isOne={isOne} />
        <Orders orders={orders} known={known(state, "orders")} isOne={isOne} />
        <Trades trades={trades} total={total} known={known(state, "trades")} isOne={isOne} />
        <Configurations
          configurations={state.configurations}
          known={known(state, "configurations")}
          isTraining={isTraining}
        />
        <Jobs jobs={state.jobs} known={known(state, "jobs")} />
      </main>
    </>
  );
}
