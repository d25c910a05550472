/** The page of learned weights: does a policy earn its place? */

import { useCallback, useEffect, useState } from "react";

import { useFetched } from "../../api/fetched";
import type { Allocations, Job, Model, RlStatus } from "../../api/types";
import { useQuery } from "../../lib/address";
import { shortest } from "../../live/behind";
import { isCut, known, recorded, type State } from "../../live/state";
import { type View, viewOf } from "./links";
import { ModelStatus } from "./ModelStatus";
import { PortfolioWeights } from "./PortfolioWeights";
import { staleText, useStill } from "./stale";
import { TrainingHistory } from "./TrainingHistory";
import { isAtWork, TrainingPanel } from "./TrainingPanel";

/** However often something changes, it is not asked for more often. */
const FRESH_MS = 2_000;
const WEIGHTS_MS = 10_000;
/** While something is trained its curves grow: so often they are asked for. */
const PULSE_MS = 3_000;
const DAY_MS = 86_400_000;
const POINTS = 500;
const NONE: readonly Model[] = [];

export function RlPortfolio({ state }: { state: State }) {
  const query = useQuery();
  const view = viewOf(query);
  const isTraining = state.jobs.some((job) => job.kind === "policy" && isAtWork(job));
  const now = usePulse(isTraining);
  const version = `${state.connection === "live"} ${state.modelsVersion ?? ""}`;
  const pulse = isTraining ? `${version} ${now}` : version;
  const closed = state.weights?.close_time ?? null;

  const status = useFetched<RlStatus>("rl/status", `${version} ${closed ?? ""}`, WEIGHTS_MS);
  const models = useFetched<Model[]>("rl/models?limit=200", version, FRESH_MS);
  const jobs = useFetched<Job[]>("rl/jobs?limit=50", pulse, FRESH_MS);
  const end = lastClose(closed, status.answer);
  const weights = useFetched<Allocations>(
    status.answer === null ? null : allocationsPath(view, end),
    `${version} ${closed ?? ""}`,
    WEIGHTS_MS,
  );

  const stale = staleText({
    closed: end,
    eventTime: state.eventTime,
    lengthMs: shortest(state),
    isRecorded: recorded(state),
    stillMs: useStill(end),
  });

  const [askStatus, askModels] = [status.again, models.again];
  const onDone = useCallback(() => {
    askStatus();
    askModels();
  }, [askStatus, askModels]);
  const configurations = known(state, "configurations").state === "ready" ? state.configurations : null;
  const positions = known(state, "positions").state === "ready" ? state.positions : null;
  const equity = state.overview?.equity ?? null;

  return (
    <main className={isCut(state) ? "learned cut" : "learned"}>
      <ModelStatus
        status={status}
        stale={stale}
        pushed={state.weights}
        eventTime={state.eventTime}
        configurations={configurations}
        version={version}
        onDone={onDone}
      />
      <PortfolioWeights
        allocations={status.answer === null ? { ...weights, known: status.known, again: status.again } : weights}
        pushed={state.weights}
        positions={positions}
        equity={equity === null ? null : Number(equity)}
        stale={stale}
        shadows={status.answer?.shadows ?? NONE}
        view={view}
      />
      <TrainingHistory
        models={models}
        jobs={jobs}
        status={status.answer}
        configurations={configurations}
        view={view}
        version={version}
        onDone={onDone}
      />
      <TrainingPanel
        jobs={jobs}
        configurations={configurations}
        view={view}
        query={query}
        version={version}
        pulse={pulse}
        now={now}
      />
    </main>
  );
}

/** The wall clock, every few seconds while something is trained. */
function usePulse(isNeeded: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!isNeeded) return undefined;
    const timer = setInterval(() => setNow(Date.now()), PULSE_MS);
    return () => clearInterval(timer);
  }, [isNeeded]);
  return now;
}

function lastClose(pushed: number | null, status: RlStatus | null): number | null {
  return Math.max(pushed ?? 0, status?.last?.close_time ?? 0) || null;
}

/** The question for a range that ends with the last close; it moves by whole days, so that it is asked anew seldom. */
export function allocationsPath({ days, shadow }: Pick<View, "days" | "shadow">, end: number | null): string {
  const since = days === 0 || end === null ? null : Math.max(0, Math.ceil(end / DAY_MS) * DAY_MS - days * DAY_MS);
  const range = since === null ? "" : `&start=${since}`;
  return `rl/allocations?points=${POINTS}${range}${shadow === null ? "" : `&shadow=${encodeURIComponent(shadow)}`}`;
}
