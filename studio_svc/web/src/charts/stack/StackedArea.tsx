/** Portfolio weights over time. */

import { useEffect, useId, useMemo } from "react";

import { percent, time, words } from "../../lib/format";
import { symbolOf } from "../../lib/series";
import { scale, times } from "../axis";
import { usePointing, useWidth } from "../useChart";
import { pathOf, type Stack } from "./stack";

/** Of the drawing, where there is little room and where there is much. */
const [LOW, TALL, NARROW] = [220, 300, 500];
const [LEFT, RIGHT, TOP, BOTTOM] = [46, 4, 8, 20];
const ROOM = 84;

function heightOf(width: number): number {
  return width < NARROW ? LOW : TALL;
}

function scales({ times: at, top }: Stack, width: number) {
  return {
    x: scale([at[0] ?? 0, at.at(-1) ?? 0], [LEFT, width - RIGHT]),
    y: scale([0, top], [heightOf(width) - BOTTOM, TOP]),
  };
}

function drawn(stack: Stack, width: number): { xs: number[]; paths: string[] } {
  const { x, y } = scales(stack, width);
  const xs = stack.times.map(x);
  return { xs, paths: stack.layers.map((one) => pathOf(one, xs, y)) };
}

interface Props {
  stack: Stack;
  label: string;
  /** The close that is pointed at, or null: the last one is meant. */
  onPoint: (index: number | null) => void;
}

export function StackedArea({ stack, label, onPoint }: Props) {
  const [place, width] = useWidth<HTMLDivElement>();
  const hatch = useId();
  const height = heightOf(width);
  const [start = 0, end = 0] = [stack.times[0], stack.times.at(-1)];
  const { x, y } = scales(stack, width);
  const { xs, paths } = useMemo(() => drawn(stack, width), [stack, width]);
  const pointing = usePointing(xs);
  const at = pointing.at;
  useEffect(() => {
    onPoint(at);
  }, [at, onPoint]);
  return (
    <div
      ref={place}
      className="drawing"
      tabIndex={0}
      role="application"
      aria-label={label}
      data-testid="weights-chart"
      data-closes={stack.times.length}
      data-fallbacks={stack.fallbacks.length}
      data-switches={stack.switches.length}
      onKeyDown={pointing.onKeyDown}
    >
      <svg width={width} height={height} role="presentation" {...pointing.handlers}>
        <defs>
          <pattern id={hatch} width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <line className="hatch" x1="0" y1="0" x2="0" y2="6" />
          </pattern>
        </defs>
        {stack.layers.map((one, n) => (
          <path key={one.name} className={`layer c${one.colour}`} d={paths[n]} />
        ))}
        {stack.fallbacks.map((span) => (
          <rect
            key={span.start}
            className="fallback"
            x={x(span.start)}
            y={TOP}
            width={Math.max(2, x(span.end) - x(span.start))}
            height={height - TOP - BOTTOM}
            fill={`url(#${hatch})`}
          >
            <title>{`fallback: ${words(span.reason)}, ${time(span.start)} to ${time(span.end)} UTC`}</title>
          </rect>
        ))}
        {stack.switches.map((one) => (
          <line key={one.at} className="switch" x1={x(one.at)} x2={x(one.at)} y1={TOP} y2={height - BOTTOM} />
        ))}
        {[0, stack.top / 2, stack.top].map((value) => (
          <text key={value} className="axis" x={LEFT - 5} y={y(value) + 4} textAnchor="end">
            {percent(value * 100, 0)}
          </text>
        ))}
        {times(start, end, (width - LEFT) / ROOM).map((tick) => (
          <text key={tick.at} className="axis" x={Math.min(x(tick.at), width - 20)} y={height - 5} textAnchor="middle">
            {tick.text}
          </text>
        ))}
        {at !== null && <line className="cursor" x1={xs[at]} x2={xs[at]} y1={TOP} y2={height - BOTTOM} />}
      </svg>
    </div>
  );
}

/** What stands for what: the colours of the instruments. */
export function Legend({ stack }: { stack: Stack }) {
  return (
    <ul className="legend-list" aria-label="Legend">
      {stack.layers.map((one) => (
        <li key={one.name}>
          <svg width="11" height="11" aria-hidden="true">
            <rect className={`layer c${one.colour}`} width="11" height="11" rx="2" />
          </svg>
          {symbolOf(one.name)}
        </li>
      ))}
      {stack.fallbacks.length > 0 && (
        <li>
          <svg width="11" height="11" aria-hidden="true">
            <path className="hatch" d="M-1 8L8 -1M3 12L12 3" />
          </svg>
          fallback
        </li>
      )}
      {stack.switches.length > 0 && (
        <li>
          <svg width="11" height="11" aria-hidden="true">
            <line className="switch" x1="5.5" x2="5.5" y1="0" y2="11" />
          </svg>
          another model
        </li>
      )}
    </ul>
  );
}
