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
import type { State } from "../live/state";

interface Props {
  state: State;
  onPick: (series: string) => void;
}

/** The page of the account: what the strategies decide and what comes of it. */
export function Trading({ state, onPick }: Props) {
  const { overview } = state;
  const isTraining = state.jobs.some(
    (job) => job.kind === "search" && (job.status === "RUNNING" || job.status === "QUEUED"),
  );
  const wait = state.connection === "signed-out" ? "Signed out." : null;

  return (
    <>
      <JobProgress jobs={state.jobs} />
      <main>
        <Figures overview={overview} point={state.equity.at(-1) ?? null} />
        <CandlePanel state={state} isTraining={isTraining} wait={wait} onPick={onPick} />
        <EquityPanel equity={state.equity} overview={overview} wait={wait} />
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
