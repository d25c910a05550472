/** The models that were trained and the trainings: what became of each, one of them in full. */

import { useEffect, useRef } from "react";

import type { Fetched } from "../../api/fetched";
import type { Configuration, Job, Model, RlStatus } from "../../api/types";
import { fixed, percent, time } from "../../lib/format";
import { Stage } from "../../ui/Chip";
import { Panel } from "../../ui/Panel";
import { Passed } from "./Gates";
import { Chosen, ModelLink, type View } from "./links";
import { ModelPage } from "./ModelPage";

const STAGES = ["ACTIVE", "SHADOW", "CANDIDATE", "REFUSED", "RETIRED"] as const;

interface Props {
  models: Fetched<Model[]>;
  jobs: Fetched<Job[]>;
  status: RlStatus | null;
  configurations: readonly Configuration[] | null;
  view: View;
  version: string;
  onDone: () => void;
}

export function TrainingHistory({ models, jobs, status, configurations, view, version, onDone }: Props) {
  const { answer, known, again } = models;
  const all = answer ?? [];
  const shown = view.stage === null ? all : all.filter((one) => one.stage === view.stage);
  const unfinished = (jobs.answer ?? []).filter((job) => !all.some((one) => one.job_id === job.job_id));
  const isEmpty = answer === null || (all.length === 0 && jobs.answer !== null && unfinished.length === 0);
  return (
    <Panel
      area="training-history"
      title="Training history"
      note={<Stages models={answer} chosen={view.stage} />}
      known={known}
      onAgain={again}
      awaited={isEmpty ? EMPTY : null}
    >
      <p className="lead">
        Refusal is the normal result: a policy that is no better than simple weights is refused, with the figures that say
        why.
      </p>
      {view.stage !== null && shown.length === 0 && answer !== null && (
        <p className="awaited small">
          No model is in this stage. <Chosen change={{ stage: null }}>Show all</Chosen>
        </p>
      )}
      {shown.length > 0 && <Models models={shown} view={view} />}
      {jobs.known.state === "failed" && <p className="failed">Trainings are not known: {jobs.known.reason}</p>}
      {view.stage === null && unfinished.length > 0 && <Unfinished jobs={unfinished} />}
      {view.model !== null && (
        <Opened key={view.model} id={view.model}>
          <ModelPage
            id={view.model}
            beside={view.beside}
            models={all}
            status={status}
            configurations={configurations}
            version={version}
            onDone={onDone}
          />
        </Opened>
      )}
    </Panel>
  );
}

const EMPTY =
  "No model was trained yet: start a training below, or by the command tradepulse policy train. Until one is promoted, simple weights decide.";

function Opened({ id, children }: { id: string; children: React.ReactNode }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // nothing is returned: browsers give a promise here, which is no way to clean up
    void place.current?.scrollIntoView({ block: "start" });
  }, [id]);
  return (
    <div ref={place} className="opened-model">
      {children}
    </div>
  );
}

function Stages({ models, chosen }: { models: readonly Model[] | null; chosen: string | null }) {
  return (
    <span className="picker" role="group" aria-label="Stage">
      <Chosen change={{ stage: null }} isCurrent={chosen === null}>
        all
      </Chosen>
      {STAGES.map((stage) => (
        <Chosen key={stage} change={{ stage }} isCurrent={chosen === stage}>
          {stage.toLowerCase()}{" "}
          {models !== null && <small>{fixed(models.filter((one) => one.stage === stage).length, 0)}</small>}
        </Chosen>
      ))}
    </span>
  );
}

/** The excess over equal weights that its report found, percent. */
export function excessOf(model: Model): number | null {
  const gate = model.gates.find((one) => one["name"] === "baselines");
  return typeof gate?.["figure"] === "number" ? gate["figure"] : null;
}

function Models({ models, view }: { models: readonly Model[]; view: View }) {
  return (
    <div className="scroll models" tabIndex={0} role="region" aria-label="Models">
      <table data-testid="models">
        <caption className="unseen">Trained models, the active one first, then the newest</caption>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col">Stage</th>
            <th scope="col" className="number">
              Gates
            </th>
            <th scope="col" className="number wide" title="Over the baseline that is hardest to beat, what is sure of it">
              Sure excess
            </th>
            <th scope="col" className="number wide">
              Seeds
            </th>
            <th scope="col" className="wide">
              Verdict
            </th>
            <th scope="col" className="wide">
              Trained, UTC
            </th>
          </tr>
        </thead>
        <tbody>
          {models.map((one) => (
            <tr key={one.model_id} aria-current={one.model_id === view.model ? "true" : undefined}>
              <td>
                <ModelLink model={one} />
              </td>
              <td>
                <Stage stage={one.stage} />{" "}
                {one.overrides.length > 0 && (
                  <span className="chip down" title={one.overrides.join("\n")}>
                    override
                  </span>
                )}
              </td>
              <td className="number">
                <Passed model={one} />
              </td>
              <td className="number wide">{excessOf(one) === null ? "–" : percent(excessOf(one))}</td>
              <td className="number wide">{fixed(one.seeds.length, 0)}</td>
              <td className="wide verdict" title={one.verdict}>
                {one.verdict}
              </td>
              <td className="wide muted">{time(one.created_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const WORDS: Record<string, string> = {
  QUEUED: "waits for a trainer",
  RUNNING: "trains",
  SUCCEEDED: "done",
  FAILED: "failed",
  CANCELLED: "cancelled",
};

/** The name that a training was given. */
export function jobName(job: Job): string {
  const name = job.spec["name"];
  return typeof name === "string" && name !== "" ? name : `training ${job.job_id.slice(0, 8)}`;
}

export function jobWords(job: Job): string {
  return WORDS[job.status] ?? job.status.toLowerCase();
}

/** Trainings that led to no model, or have not yet. */
function Unfinished({ jobs }: { jobs: readonly Job[] }) {
  return (
    <ul className="unfinished" data-testid="unfinished" aria-label="Trainings without a model">
      {jobs.map((job) => (
        <li key={job.job_id}>
          <Chosen change={{ job: job.job_id }} className="name">
            <b>{jobName(job)}</b>
          </Chosen>{" "}
          <span className={`chip ${job.status === "FAILED" ? "down" : "off"}`}>{jobWords(job)}</span>{" "}
          <span className="muted">{time(job.finished_at ?? job.started_at ?? job.created_at)} UTC</span>
          {job.error !== null && <small>{job.error}</small>}
        </li>
      ))}
    </ul>
  );
}
