/** One model in full, or two side by side. */

import { type Fetched, useFetched } from "../../api/fetched";
import type { Configuration, Model, ModelDetail, RlStatus } from "../../api/types";
import { counted, fixed, quantity, time, words } from "../../lib/format";
import { Stage } from "../../ui/Chip";
import { Failed } from "../../ui/Panel";
import { Actions } from "./Actions";
import { Baselines } from "./Baselines";
import { GateList } from "./Gates";
import { Chosen } from "./links";
import { OriginOf } from "./ModelStatus";
import { reportOf, smallestText } from "./report";
import { WatchOf } from "./Watch";

const FRESH_MS = 3_000;

interface Props {
  id: string;
  beside: string | null;
  models: readonly Model[];
  status: RlStatus | null;
  configurations: readonly Configuration[] | null;
  version: string;
  onDone: () => void;
}

export function ModelPage({ id, beside, models, status, configurations, version, onDone }: Props) {
  const one = useFetched<ModelDetail>(`rl/models/${id}`, version, FRESH_MS);
  const other = useFetched<ModelDetail>(beside && `rl/models/${beside}`, version, FRESH_MS);
  const done = (): void => {
    one.again();
    onDone();
  };
  const others = models.filter((model) => model.model_id !== id);
  return (
    <section className="model-page" aria-label="The chosen model" data-testid="model">
      <p className="model-tools">
        <Chosen change={{ model: null, with: null }} className="quiet">
          close
        </Chosen>
        {others.length > 0 && <BesideOf others={others} beside={beside} />}
      </p>
      <div className={beside === null ? "sides" : "sides two"}>
        <Side found={one} status={status} configurations={configurations} version={version} onDone={done} />
        {beside !== null && (
          <Side found={other} status={status} configurations={configurations} version={version} onDone={done} />
        )}
      </div>
    </section>
  );
}

const MOST = 6;

function BesideOf({ others, beside }: { others: readonly Model[]; beside: string | null }) {
  return (
    <span className="beside">
      <span className="muted">beside</span>{" "}
      {others.slice(0, MOST).map((one) => (
        <Chosen
          key={one.model_id}
          change={{ with: beside === one.model_id ? null : one.model_id }}
          isCurrent={beside === one.model_id}
          className="quiet"
          label={`Compare with ${one.name}`}
        >
          {one.name}
        </Chosen>
      ))}
    </span>
  );
}

function Side({
  found,
  status,
  configurations,
  version,
  onDone,
}: {
  found: Fetched<ModelDetail>;
  status: RlStatus | null;
  configurations: readonly Configuration[] | null;
  version: string;
  onDone: () => void;
}) {
  const { answer: model, known, again } = found;
  if (known.state === "failed") return <Failed reason={known.reason} isAlone={model === null} onAgain={again} />;
  if (model === null || known.state !== "ready") return <p className="awaited">…</p>;
  const report = reportOf(model);
  return (
    <article className="side">
      <header>
        <h3>
          {model.name} <Stage stage={model.stage} />
        </h3>
        <Actions model={model} status={status} onDone={onDone} />
      </header>
      {model.overrides.map((one) => (
        <p key={one} className="override-told" role="note">
          Set aside: {one}
        </p>
      ))}
      {report?.warnings.map((one) => (
        <p key={one} className="warning" data-testid="warning">
          {one}
        </p>
      ))}
      <p className="verdict-told">{sentence(model.verdict)}</p>
      {report !== null && (
        <p className="muted">
          {smallestText(report)} Looked at this test range: {fixed(report.looks, 0)}{" "}
          {report.looks === 1 ? "time" : "times"}.{report.label === "de-risking" && " It mainly trades less: de-risking."}
        </p>
      )}
      {report !== null && <Baselines report={report} />}
      {model.gates.length > 0 && (
        <>
          <h4>Gates, refused ones first</h4>
          <GateList model={model} />
        </>
      )}
      <h4>What it came of</h4>
      <OriginOf model={model} configurations={configurations} />
      <Served model={model} />
      {(model.stage === "ACTIVE" || model.stage === "SHADOW") && (
        <>
          <h4>Drift</h4>
          <WatchOf id={model.model_id} version={version} />
        </>
      )}
      <h4>History of its stages</h4>
      <Events model={model} />
      {model.job_id !== null && (
        <p>
          <Chosen change={{ job: model.job_id }} className="quiet">
            curves of its training
          </Chosen>
        </p>
      )}
    </article>
  );
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}

function Served({ model }: { model: ModelDetail }) {
  const fallen = Object.entries(model.fallbacks);
  return (
    <p className="muted">
      Followed at {counted(model.closes, "close")}
      {fallen.length > 0 && `, of which the fallback decided ${fallen.map(([why, n]) => `${fixed(n, 0)} (${words(why)})`).join(", ")}`}
      ; decided beside another at {fixed(model.shadow_closes, 0)}.
    </p>
  );
}

function evidenceText(evidence: Record<string, unknown>): string {
  return Object.entries(evidence)
    .flatMap(([name, value]) => {
      if (typeof value === "number") return `${words(name)} ${quantity(value)}`;
      if (typeof value === "string") return `${words(name)} ${value}`;
      return [];
    })
    .join(" · ");
}

function Events({ model }: { model: ModelDetail }) {
  return (
    <ol className="events" data-testid="model-events">
      {[...model.events].reverse().map((event, n) => (
        <li key={model.events.length - n}>
          <span className="muted">{time(event.at)}</span>
          <span>
            {event.from_stage !== null && (
              <>
                <Stage stage={event.from_stage} /> →{" "}
              </>
            )}
            <Stage stage={event.to_stage} />
          </span>
          <span>
            {event.by_person && <span className="chip out">by hand</span>} {event.reason}
            <small>{evidenceText(event.evidence)}</small>
          </span>
        </li>
      ))}
    </ol>
  );
}
