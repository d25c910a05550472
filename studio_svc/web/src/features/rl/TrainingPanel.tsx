/** A training: what is asked for, how far it is, and its curves while it runs. */

import { useState } from "react";

import { send } from "../../api/client";
import { type Fetched, useFetched } from "../../api/fetched";
import type { Known } from "../../api/known";
import type { Configuration, Job } from "../../api/types";
import { counted, fixed, percent, span } from "../../lib/format";
import { go, withQuery } from "../../lib/address";
import { Panel } from "../../ui/Panel";
import { JobCurves } from "./JobCurves";
import { Chosen, HERE, type View } from "./links";
import { jobName, jobWords } from "./TrainingHistory";
import { TrainForm } from "./TrainForm";

const FRESH_MS = 3_000;

interface Props {
  jobs: Fetched<Job[]>;
  configurations: readonly Configuration[] | null;
  view: View;
  query: string;
  version: string;
  /** Changes every few seconds while something is trained. */
  pulse: string;
  now: number;
}

export function TrainingPanel({ jobs, configurations, view, query, version, pulse, now }: Props) {
  const { answer, known, again } = jobs;
  const listed = chosenJob(answer ?? [], view.job);
  // an older one than are listed
  const asked = useFetched<Job>(answer !== null && listed === null && view.job ? `rl/jobs/${view.job}` : null, pulse, FRESH_MS);
  const shown = listed ?? (asked.known.state === "ready" ? asked.answer : null);
  const started = (job: Job): void => {
    again();
    go(withQuery(HERE, query, { job: job.job_id }), { keepsPlace: true });
  };
  return (
    <Panel area="training" title="Training" known={known} onAgain={again} awaited={null}>
      <div className="training">
        <TrainForm configurations={configurations} version={version} onStarted={started} />
        <div className="watching">
          {answer !== null && answer.length > 1 && <Jobs jobs={answer} shown={shown} />}
          {shown !== null && (
            <>
              <Progress job={shown} now={now} onDone={again} />
              <JobCurves key={shown.job_id} job={shown} pulse={isAtWork(shown) ? pulse : `${version} ${shown.status}`} />
            </>
          )}
          {shown === null && answer !== null && (
            <p className="awaited">
              {view.job === null ? "No training yet: its curves are drawn here while it runs." : missing(asked.known)}
            </p>
          )}
          {shown === null && answer === null && known.state === "loading" && <p className="awaited">…</p>}
        </div>
      </div>
    </Panel>
  );
}

function missing(known: Known): string {
  return known.state === "failed" ? `Not known: ${known.reason}` : "…";
}

/** The training that the address names, else the first: one that runs, or the newest. */
export function chosenJob(jobs: readonly Job[], id: string | null): Job | null {
  return (id === null ? jobs[0] : jobs.find((one) => one.job_id === id)) ?? null;
}

export function isAtWork(job: Job): boolean {
  return job.status === "RUNNING" || job.status === "QUEUED";
}

const SHOWN = 8;

function Jobs({ jobs, shown }: { jobs: readonly Job[]; shown: Job | null }) {
  return (
    <p className="job-list">
      {jobs.slice(0, SHOWN).map((job) => (
        <Chosen key={job.job_id} change={{ job: job.job_id }} isCurrent={job.job_id === shown?.job_id} className="quiet">
          {jobName(job)} <small className="muted">{jobWords(job)}</small>
        </Chosen>
      ))}
    </p>
  );
}

/** How far a training is, in words. */
export function progressText({ status, done, total }: Job): string {
  if (status === "QUEUED") return "its turn comes when a trainer is free";
  if (status === "RUNNING" && done === 0) return "candles, signals and baselines come first";
  if (status === "RUNNING" && done === total) return `all ${counted(total, "step")} are taken, the gates come next`;
  return `${fixed(done, 0)} of ${total > 0 ? fixed(total, 0) : "–"} steps over all seeds`;
}

const SILENT_MS = 15_000;

/** Seconds that are left at the pace so far; null where that cannot be told. */
export function leftMs(job: Job, now: number): number | null {
  const { started_at: start, done, total } = job;
  if (job.status !== "RUNNING" || start === null || done <= 0 || total <= done) return null;
  return ((now - start) / done) * (total - done);
}

/** Since when a training gave no sign of life; null where it does. */
export function silentMs(job: Job, now: number): number | null {
  if (job.status !== "RUNNING" || job.heartbeat_at === null) return null;
  const silent = now - job.heartbeat_at;
  return silent > SILENT_MS ? silent : null;
}

function Progress({ job, now, onDone }: { job: Job; now: number; onDone: () => void }) {
  const share = job.total > 0 ? (100 * job.done) / job.total : 0;
  const left = leftMs(job, now);
  const silent = silentMs(job, now);
  return (
    <div className="job-state" data-testid="job-state" data-status={job.status}>
      <p>
        <b>{jobName(job)}</b>{" "}
        <span className={`chip ${job.status === "FAILED" ? "down" : job.status === "RUNNING" ? "on" : "off"}`}>
          {job.cancel_requested && isAtWork(job) ? "being cancelled" : jobWords(job)}
        </span>{" "}
        <span className="muted">
          {progressText(job)}
          {left !== null && `, about ${span(left)} left`}
        </span>
      </p>
      {isAtWork(job) && <progress max={100} value={share} aria-label={`Progress: ${percent(share, 0)}`} />}
      {silent !== null && <p className="amber">No sign of life for {span(silent)}; another trainer takes it over.</p>}
      {job.error !== null && <p className="down">{job.error}</p>}
      <JobActions key={job.status} job={job} onDone={onDone} />
    </div>
  );
}

function JobActions({ job, onDone }: { job: Job; onDone: () => void }) {
  const [said, setSaid] = useState<string | null>(null);
  const act = (deed: "cancel" | "resume"): void => {
    setSaid("asked");
    send<Job>(`rl/jobs/${job.job_id}/${deed}`, {}).then(onDone, (error: Error) => setSaid(error.message));
  };
  const canResume = job.status === "CANCELLED" || job.status === "FAILED";
  return (
    <p className="actions">
      {isAtWork(job) && !job.cancel_requested && (
        <button type="button" className="button" onClick={() => act("cancel")}>
          Cancel
        </button>
      )}
      {canResume && (
        <button type="button" className="button" onClick={() => act("resume")}>
          Resume
        </button>
      )}
      {said !== null && (
        <span className="muted" role="status">
          {said}
        </span>
      )}
    </p>
  );
}
