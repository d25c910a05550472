/** Who decides the weights, since when and by whose word, and how well it goes on. */

import { useFetched } from "../../api/fetched";
import type { Fetched } from "../../api/fetched";
import type { Configuration, Model, ModelDetail, RlStatus, Weights } from "../../api/types";
import { counted, date, fixed, percent, span, time } from "../../lib/format";
import { Stage } from "../../ui/Chip";
import { Panel } from "../../ui/Panel";
import { Actions, ComeBack } from "./Actions";
import { ModelLink } from "./links";
import { daysLeft, policyWords, reportOf } from "./report";
import { PARTS } from "./split";
import { WatchOf } from "./Watch";

const FRESH_MS = 5_000;

interface Props {
  status: Fetched<RlStatus>;
  /** Why the weights are old. */
  stale: string | null;
  /** The last vector that was pushed, where one was. */
  pushed: Weights | null;
  eventTime: number | null;
  /** Null while it is not known which configurations there are. */
  configurations: readonly Configuration[] | null;
  version: string;
  onDone: () => void;
}

export function ModelStatus({ status, stale, pushed, eventTime, configurations, version, onDone }: Props) {
  const { answer, known, again } = status;
  const id = answer?.active?.model_id ?? null;
  const detail = useFetched<ModelDetail>(id && `rl/models/${id}`, version, FRESH_MS);
  const last = newest(pushed, answer?.last ?? null);
  return (
    <Panel
      area="model-status"
      title="Model status"
      note={answer ? `portfolio ${answer.portfolio}` : undefined}
      known={known}
      stale={stale}
      onAgain={again}
      awaited={answer ? null : "Nothing is known of the portfolio."}
    >
      {answer && (
        <div className="scroll inset" tabIndex={0} role="region" aria-label="Who decides">
          <Who status={answer} last={last} onDone={onDone} />
          <Decisions status={answer} last={last} eventTime={eventTime} />
          <Shadows status={answer} onDone={onDone} />
          {answer.active && (
            <>
              <h3>Drift</h3>
              <WatchOf id={answer.active.model_id} version={version} />
              <h3>What it came of</h3>
              <Origin detail={detail} configurations={configurations} />
            </>
          )}
        </div>
      )}
    </Panel>
  );
}

function newest(pushed: Weights | null, asked: Weights | null): Weights | null {
  if (pushed === null || asked === null) return pushed ?? asked;
  return pushed.close_time >= asked.close_time ? pushed : asked;
}

function Who({ status, last, onDone }: { status: RlStatus; last: Weights | null; onDone: () => void }) {
  const { active, promoted } = status;
  if (active === null) {
    return (
      <div className="who" data-testid="who">
        <p>
          <b>No model decides</b>
          {last === null ? ", and no weights were decided yet." : `: ${policyWords(last.policy)} weights.`}
        </p>
        <p className="muted">A model decides once one is promoted to active and the service runs with POLICY=model.</p>
        <ComeBack status={status} onDone={onDone} />
      </div>
    );
  }
  return (
    <div className="who" data-testid="who">
      <p>
        <ModelLink model={active} /> <Stage stage={active.stage} /> <span className="muted">decides the weights</span>
      </p>
      {active.overrides.map((one) => (
        <p key={one} className="override-told" role="note" data-testid="override">
          Set aside: {one}
        </p>
      ))}
      {last !== null && last.model_id !== active.model_id && (
        <p className="warning">
          The last weights are those of {policyWords(last.policy)}: a switch binds at the next close, and only where the
          service runs with POLICY=model.
        </p>
      )}
      <p className="muted">
        Since {time(active.stage_since)} UTC by this machine&apos;s clock
        {promoted && `, ${promoted.by_person ? "by a person" : "by itself"}`}
        {promoted && active.overrides.length === 0 && `: ${promoted.reason}`}
      </p>
      <Actions model={active} status={status} withRollback onDone={onDone} />
    </div>
  );
}

function Decisions({ status, last, eventTime }: { status: RlStatus; last: Weights | null; eventTime: number | null }) {
  const { recent } = status;
  const fallen = recent?.fallbacks.reduce((sum, one) => sum + one.closes, 0) ?? 0;
  const age = last !== null && eventTime !== null ? Math.max(0, eventTime - last.close_time) : null;
  return (
    <dl className="facts">
      <dt>Last decision</dt>
      <dd>{last === null ? "none yet" : `${time(last.close_time)} UTC`}</dd>
      <dt>Its age, event time</dt>
      <dd>{last === null ? "–" : age === null ? "not known" : age === 0 ? "of the last close" : span(age)}</dd>
      <dt title="What the weights sum to at most">Budget</dt>
      <dd>{last === null ? "–" : fixed(last.budget, 2)}</dd>
      <dt title="Closes of the last seven days of event time that inverse volatility decided in its place">
        Fallback, last 7 days
      </dt>
      <dd data-testid="fallback">
        {recent === null ? (
          "no decision yet"
        ) : (
          <>
            <span className={fallen > 0 ? "amber" : ""}>{percent((100 * fallen) / recent.closes, 1)}</span>{" "}
            <span className="muted">
              {fixed(fallen, 0)} of {counted(recent.closes, "close")}
            </span>
            {recent.fallbacks.map((one) => (
              <small key={one.reason}>
                {fixed(one.closes, 0)}× {one.sentence}
              </small>
            ))}
          </>
        )}
      </dd>
    </dl>
  );
}

function Shadows({ status, onDone }: { status: RlStatus; onDone: () => void }) {
  if (status.shadows.length === 0) return null;
  return (
    <>
      <h3>In shadow</h3>
      <ul className="shadows" data-testid="shadows">
        {status.shadows.map((one) => (
          <li key={one.model_id}>
            <span>
              <ModelLink model={one} /> <Stage stage={one.stage} />{" "}
              <span className="muted">{leftText(one, status.shadow_days)}</span>
            </span>
            <Actions model={one} status={status} onDone={onDone} />
          </li>
        ))}
      </ul>
    </>
  );
}

function leftText(model: Model, days: number): string {
  const left = daysLeft(model, days, Date.now());
  return left > 0 ? `${fixed(left, 1)} of ${counted(days, "day")} left` : `its ${counted(days, "day is", "days are")} over`;
}

function Origin({
  detail,
  configurations,
}: {
  detail: Fetched<ModelDetail>;
  configurations: readonly Configuration[] | null;
}) {
  const model = detail.answer;
  if (model === null) {
    return <p className="muted">{detail.known.state === "failed" ? `Not known: ${detail.known.reason}` : "…"}</p>;
  }
  return <OriginOf model={model} configurations={configurations} />;
}

/** How many of the configurations that a model was trained on still trade; null while that is not known. */
export function stillTrading(model: ModelDetail, configurations: readonly Configuration[] | null): number | null {
  if (configurations === null) return null;
  const active = new Set(configurations.filter((one) => one.is_active).map((one) => one.configuration_id));
  return model.configurations.filter((one) => active.has(String(one["configuration_id"] ?? one["id"]))).length;
}

export function OriginOf({
  model,
  configurations,
}: {
  model: ModelDetail;
  configurations: readonly Configuration[] | null;
}) {
  const report = reportOf(model);
  const trading = stillTrading(model, configurations);
  return (
    <dl className="facts">
      {report !== null &&
        PARTS.map((name) => {
          const part = report.parts[name];
          return (
            <div key={name} className="pair">
              <dt>{name}</dt>
              <dd>
                {date(part.start)} to {date(part.end)} <span className="muted">{counted(part.days, "day")}</span>
              </dd>
            </div>
          );
        })}
      <dt>Trained on</dt>
      <dd>
        {model.configurations.length === 0 ? (
          "configurations not known"
        ) : (
          <>
            {counted(model.configurations.length, "configuration")},{" "}
            {trading === null ? "how many still trade is not known" : counted(trading, "still trades", "still trade")}
          </>
        )}
        <small>{model.instruments.length > 0 ? model.instruments.join(", ") : "any instruments"}</small>
      </dd>
      <dt>Training</dt>
      <dd>
        {counted(model.seeds.length, "seed")}, {counted(model.steps, "step")} each, {model.timeframe} candles
      </dd>
      <dt>Checksums</dt>
      <dd>
        <details>
          <summary>file, data</summary>
          <small className="hash">file {model.artifact_sha256}</small>
          <small className="hash">data {String(model.data["sha256"] ?? "not known")}</small>
        </details>
      </dd>
    </dl>
  );
}
