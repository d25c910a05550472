/** The curves of a training: validation and train reward apart, what the updates did below. */

import { useFetched } from "../../api/fetched";
import type { Curves, Job } from "../../api/types";
import { SeedCurves } from "../../charts/seeds/SeedCurves";
import { fixed, signedPercent } from "../../lib/format";
import { Failed } from "../../ui/Panel";

const FRESH_MS = 2_500;
const POINTS = 400;

interface Drawn {
  metric: string;
  title: string;
  text: (value: number) => string;
}

/** Log growth as percent. */
export function grown(value: number): string {
  return signedPercent(100 * Math.expm1(value), 1);
}

const VALIDATION: Drawn = { metric: "validation_excess", title: "Validation: excess over equal weights", text: grown };
const REWARD: Drawn = { metric: "reward", title: "Train: mean reward of the episodes", text: (value) => fixed(value, 1) };
const SMALL: readonly Drawn[] = [
  { metric: "kl", title: "KL of the updates", text: (value) => fixed(value, 3) },
  { metric: "entropy", title: "Entropy", text: (value) => fixed(value, 2) },
  { metric: "std", title: "Deviation of the actions", text: (value) => fixed(value, 2) },
  { metric: "clip_fraction", title: "Clipped share", text: (value) => fixed(value, 2) },
  { metric: "explained_variance", title: "Explained variance", text: (value) => fixed(value, 2) },
  { metric: "steps_per_s", title: "Steps a second", text: (value) => fixed(value, 0) },
];

export function JobCurves({ job, pulse }: { job: Job; pulse: string }) {
  const validation = usePoints(job.job_id, VALIDATION.metric, pulse);
  const { answer, known, again } = validation;
  if (answer === null) {
    return known.state === "failed" ? <Failed reason={known.reason} isAlone onAgain={again} /> : <p className="awaited">…</p>;
  }
  const small = SMALL.filter((one) => answer.metrics.includes(one.metric));
  return (
    <div className="curves">
      {known.state === "failed" && <Failed reason={known.reason} onAgain={again} />}
      <SeedCurves
        curves={answer}
        title={VALIDATION.title}
        text={VALIDATION.text}
        height={210}
        zero="equal weights"
        hasMarks
      />
      <p className="foot">
        Thin: each seed. Thick: their interquartile mean with its 95 % band, of all points. Dot: where a seed was best;
        ring: where it ended.
      </p>
      {answer.metrics.includes(REWARD.metric) && <Curve job={job} drawn={REWARD} pulse={pulse} height={150} />}
      <div className="small-curves">
        {small.map((one) => (
          <Curve key={one.metric} job={job} drawn={one} pulse={pulse} height={96} isShort />
        ))}
      </div>
    </div>
  );
}

function usePoints(id: string, metric: string, pulse: string) {
  return useFetched<Curves>(`rl/jobs/${id}/points?metric=${metric}&points=${POINTS}`, pulse, FRESH_MS);
}

function Curve({
  job,
  drawn,
  pulse,
  height,
  isShort = false,
}: {
  job: Job;
  drawn: Drawn;
  pulse: string;
  height: number;
  isShort?: boolean;
}) {
  const { answer, known, again } = usePoints(job.job_id, drawn.metric, pulse);
  if (answer === null) return known.state === "failed" ? <Failed reason={known.reason} onAgain={again} /> : null;
  return <SeedCurves curves={answer} title={drawn.title} text={drawn.text} height={height} isShort={isShort} />;
}
