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
import { isCut, known, type State } from "../live/state";

interface Props {
  state: State;
  /** The ledger does not follow the candles, or the page does not hear of it. */
  isLate: boolean;
  onPick: (series: string) => void;
}

/** The page of the account: what the strategies decide and what comes of it. */
export function Trading({ state, isLate, onPick }: Props) {
  const { overview } = state;
  const isTraining = state.jobs.some(
    (job) => job.kind === "search" && (job.status === "RUNNING" || job.status === "QUEUED"),
  );
  const age = isLate ? "late" : "";

  return (
    <>
      <JobProgress jobs={state.jobs} />
      <main className={isCut(state) ? "cut" : age}>
        <Figures overview={overview} point={state.equity.at(-1) ?? null} known={known(state, "overview")} />
        <CandlePanel state={state} isTraining={isTraining} onPick={onPick} />
        <EquityPanel equity={state.equity} overview={overview} known={known(state, "equity")} />
        <Positions positions={state.positions} known={known(state, "positions")} isLate={isLate} />
        <Weights weights={state.weights} known={known(state, "weights")} />
        <Signals signals={state.signals} known={known(state, "signals")} />
        <Orders orders={state.orders} known={known(state, "orders")} />
        <Trades trades={state.trades} total={overview?.trades ?? null} known={known(state, "trades")} />
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
