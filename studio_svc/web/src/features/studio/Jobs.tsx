/** Searches and validations: what runs, what waits, what came of the last ones. */

import { memo, useState } from "react";

import { send } from "../../api/client";
import type { Known } from "../../api/known";
import type { Job } from "../../api/types";
import { counted, fixed, time, words } from "../../lib/format";
import { parseSeries } from "../../lib/series";
import { Panel } from "../../ui/Panel";

const ENDED: Record<string, string> = { SUCCEEDED: "done", FAILED: "failed", CANCELLED: "cancelled" };
const SHOWN_AT_TOP = 3;

/** What a job is about, as far as its specification says. */
export function subject({ kind, spec }: Job): string {
  const { strategies, symbols, strategy, series } = spec;
  if (kind === "validation" && typeof strategy === "string" && typeof series === "string") {
    return `${words(strategy)} on ${parseSeries(series).symbol}`;
  }
  if (kind === "policy") return `weights ${typeof spec["name"] === "string" ? spec["name"] : ""}`.trim();
  if (!Array.isArray(strategies) || !Array.isArray(symbols)) return "";
  return `${strategies.map((name) => words(String(name))).join(" and ")} on ${symbols.join(", ")}`;
}

function progressText({ kind, done, total }: Job): string {
  if (total === 0) return "preparing";
  if (kind === "validation") return `${fixed((100 * done) / total, 0)} %`;
  return `${fixed(done, 0)} of ${counted(total, kind === "policy" ? "step" : "trial")}`;
}

function Progress({ job }: { job: Job }) {
  const share = job.total > 0 ? (job.done / job.total) * 100 : 0;
  return (
    <>
      <progress max={100} value={share} aria-label={`Progress: ${subject(job)}`} />
      <span className="muted">{progressText(job)}</span>
    </>
  );
}

function title(job: Job): string {
  const work = job.kind === "validation" ? "Validating" : "Training";
  if (job.cancel_requested) return `${work} ${subject(job)} is being cancelled`;
  return `${work} ${subject(job)}`.trim();
}

/** What runs now, at the top of the page; nothing where nothing runs or waits. */
export const JobProgress = memo(function JobProgress({ jobs }: { jobs: readonly Job[] }) {
  const running = jobs.filter((job) => job.status === "RUNNING");
  const waiting = jobs.filter((job) => job.status === "QUEUED").length;
  if (running.length === 0 && waiting === 0) return null;
  const more = running.length - SHOWN_AT_TOP;
  return (
    <div className="job" data-testid="job">
      {running.slice(0, SHOWN_AT_TOP).map((job) => (
        <div key={job.job_id}>
          <span>{title(job)}</span>
          <Progress job={job} />
        </div>
      ))}
      {(more > 0 || waiting > 0) && (
        <span className="muted">
          {more > 0 && `${more} more run. `}
          {waiting > 0 && `${counted(waiting, "job waits", "jobs wait")} for a worker.`}
        </span>
      )}
    </div>
  );
});

function Cancel({ job }: { job: Job }) {
  const [said, setSaid] = useState<string | null>(null);
  if (said !== null || job.cancel_requested) {
    return <small className="muted">{said ?? "being cancelled"}</small>;
  }
  const cancel = (): void => {
    setSaid("asked");
    send<Job>(`jobs/${job.job_id}/cancel`, {}).catch((error: Error) => setSaid(error.message));
  };
  return (
    <button type="button" className="quiet" onClick={cancel} aria-label={`Cancel: ${subject(job)}`}>
      cancel
    </button>
  );
}

function Line({ job }: { job: Job }) {
  const ended = ENDED[job.status];
  return (
    <tr>
      <td>
        {words(job.kind)} <small>{subject(job)}</small>
      </td>
      <td>
        {ended === undefined ? (
          <span className="progressing">
            {job.status === "QUEUED" ? <span className="muted">waits for a worker</span> : <Progress job={job} />}
            <Cancel job={job} />
          </span>
        ) : (
          <>
            <span className={`chip ${job.status === "FAILED" ? "down" : "off"}`}>{ended}</span>{" "}
            <span className="muted">{job.status === "SUCCEEDED" && job.kind === "search" ? progressText(job) : ""}</span>
            {job.error !== null && <small>{job.error}</small>}
          </>
        )}
      </td>
      <td className="muted wide">{time(job.finished_at ?? job.started_at ?? job.created_at)}</td>
    </tr>
  );
}

export const Jobs = memo(function Jobs({
  jobs,
  known,
}: {
  jobs: readonly Job[];
  known: Known;
}) {
  return (
    <Panel
      area="jobs"
      title="Searches and validations"
      note="times of this machine, UTC"
      known={known}
      awaited={jobs.length ? null : "No job yet. The command tradepulse optimize submits one."}
    >
      <div className="scroll" tabIndex={0} role="region" aria-label="Searches and validations">
        <table data-testid="jobs">
          <caption className="unseen">Searches and validations, running ones first</caption>
          <tbody>
            {jobs.map((job) => (
              <Line key={job.job_id} job={job} />
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
});
