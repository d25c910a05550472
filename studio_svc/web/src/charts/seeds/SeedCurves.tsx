/** A figure of a training: a thin line for each seed, their interquartile mean with its band. */

import { useMemo } from "react";

import type { Curves } from "../../api/types";
import { counted, fixed } from "../../lib/format";
import { roundValues, scale } from "../axis";
import { nearest, usePointing, useWidth } from "../useChart";
import { band, extent, line, marks } from "./seeds";

const [LEFT, RIGHT, TOP, BOTTOM] = [58, 8, 8, 20];
const NONE: readonly number[] = [];

interface Props {
  curves: Curves;
  title: string;
  text: (value: number) => string;
  height: number;
  /** What 0 means, where it is drawn. */
  zero?: string;
  /** Whether to mark where a seed was best and where it ended. */
  hasMarks?: boolean;
  /** Whether to say no more than the mean beside the title. */
  isShort?: boolean;
}

export function SeedCurves({ curves, title, text, height, zero, hasMarks = false, isShort = false }: Props) {
  const [place, width] = useWidth<HTMLDivElement>();
  const drawn = useMemo(() => draw(curves, width, height, zero !== undefined), [curves, width, height, zero]);
  const steps = drawn?.steps ?? NONE;
  const pointing = usePointing(useMemo(() => steps.map((step) => drawn?.x(step) ?? 0), [steps, drawn]));
  if (drawn === null) return <p className="awaited small">No point yet.</p>;
  const { x, y, area, seeds, mean, values, lasts } = drawn;
  const at = pointing.at;
  const step = at === null ? (steps.at(-1) ?? 0) : (steps[at] ?? 0);
  return (
    <figure className="curve">
      <figcaption>
        <b>{title}</b> <span className="muted">{isShort ? middle(curves, step, text) : readout(curves, step, text)}</span>
      </figcaption>
      <div
        ref={place}
        className="drawing"
        tabIndex={0}
        role="application"
        aria-label={`${title} by step: ${readout(curves, step, text)}`}
        data-testid="seed-curves"
        data-metric={curves.metric}
        data-seeds={curves.seeds.length}
        data-points={curves.step.length}
        onKeyDown={pointing.onKeyDown}
      >
        <svg width={width} height={height} role="presentation" {...pointing.handlers}>
          {values.map((value) => (
            <g key={value}>
              <line className="grid" x1={LEFT} x2={width - RIGHT} y1={y(value)} y2={y(value)} />
              <text className="axis" x={LEFT - 5} y={y(value) + 4} textAnchor="end">
                {text(value)}
              </text>
            </g>
          ))}
          {lasts.map((value) => (
            <text key={value} className="axis" x={Math.min(x(value), width - 26)} y={height - 5} textAnchor="middle">
              {stepText(value)}
            </text>
          ))}
          <path className="band" d={area} />
          {curves.seeds.map((one, n) => (
            <path key={one.seed} className="seed" d={seeds[n]}>
              <title>{`seed ${one.seed}`}</title>
            </path>
          ))}
          <path className="middle" d={mean} />
          {zero !== undefined && (
            <>
              <line className="zero" x1={LEFT} x2={width - RIGHT} y1={y(0)} y2={y(0)} />
              <text className="axis zero-text" x={width - RIGHT} y={y(0) - 4} textAnchor="end">
                {zero}
              </text>
            </>
          )}
          {hasMarks &&
            curves.seeds.flatMap((one) =>
              marks(one).map((mark) => (
                <circle
                  key={`${one.seed} ${mark.kind}`}
                  className={`dot-${mark.kind}`}
                  cx={x(mark.step)}
                  cy={y(mark.value)}
                  r={mark.kind === "best" ? 3.2 : 2.6}
                >
                  <title>{`seed ${one.seed}: ${mark.kind === "best" ? "best" : `ended, ${one.ended ?? ""}`}`}</title>
                </circle>
              )),
            )}
          {at !== null && <line className="cursor" x1={x(step)} x2={x(step)} y1={TOP} y2={height - BOTTOM} />}
        </svg>
      </div>
    </figure>
  );
}

function draw(curves: Curves, width: number, height: number, withZero: boolean) {
  const within = extent(curves, withZero);
  if (within === null) return null;
  const x = scale(within.steps, [LEFT, width - RIGHT]);
  const y = scale(within.values, [height - BOTTOM, TOP]);
  return {
    x,
    y,
    area: band(curves, x, y),
    seeds: curves.seeds.map((one) => line(one.step, one.value, x, y)),
    mean: line(curves.step, curves.iqm, x, y),
    values: roundValues(within.values, height < 140 ? 3 : 4),
    lasts: roundValues(within.steps, width / 110),
    steps: [...new Set(curves.seeds.flatMap((one) => one.step))].sort((a, b) => a - b),
  };
}

/** `250 k`, `1 M`. */
export function stepText(steps: number): string {
  if (steps >= 1_000_000) return `${fixed(steps / 1_000_000, 2).replace(/\.?0+$/, "")} M`;
  return steps >= 1_000 ? `${fixed(steps / 1_000, 0)} k` : fixed(steps, 0);
}

/** The mean of the seeds at a step. */
function middle(curves: Curves, step: number, text: (value: number) => string): string {
  const n = nearest(curves.step, step);
  return n === null ? "" : text(curves.iqm[n] ?? Number.NaN);
}

/** What the seeds have in common at a step, in words. */
export function readout(curves: Curves, step: number, text: (value: number) => string): string {
  const n = nearest(curves.step, step);
  if (n === null) {
    const told = curves.seeds.map((one) => text(one.value[nearest(one.step, step) ?? 0] ?? Number.NaN));
    return `after ${stepText(step)} steps: ${told.join(", ")}`;
  }
  const [iqm, low, high] = [curves.iqm, curves.low, curves.high].map((one) => text(one[n] ?? Number.NaN));
  return `after ${stepText(curves.step[n] ?? 0)} steps: ${iqm}, between ${low} and ${high} (${counted(curves.seeds.length, "seed")})`;
}
