/** The weights over time, and what is held beside what they allow now. */

import { useCallback, useMemo, useState } from "react";

import type { Fetched } from "../../api/fetched";
import type { Allocations, Model, Position, Weights } from "../../api/types";
import { Legend, StackedArea } from "../../charts/stack/StackedArea";
import { cashOf, stack } from "../../charts/stack/stack";
import { counted, fixed, percent, signed, time, words } from "../../lib/format";
import { symbolOf } from "../../lib/series";
import { Panel } from "../../ui/Panel";
import { Table } from "../../ui/Table";
import { cashLine, exposures, type Line, lines } from "./held";
import { Chosen, DAYS, type View } from "./links";
import { policyWords } from "./report";

/** A difference below this is rounding. */
const SAME = 0.0005;

interface Props {
  allocations: Fetched<Allocations>;
  pushed: Weights | null;
  /** Null while they are not known. */
  positions: readonly Position[] | null;
  equity: number | null;
  /** Why the weights are old. */
  stale: string | null;
  /** Who decides in shadow. */
  shadows: readonly Model[];
  view: View;
}

export function PortfolioWeights({ allocations, pushed, positions, equity, stale, shadows, view }: Props) {
  const { answer, known, again } = allocations;
  const isShadow = view.shadow !== null;
  const vectors = useMemo(() => withPushed(answer?.vectors ?? [], isShadow ? null : pushed), [answer, isShadow, pushed]);
  const stacked = useMemo(() => stack(vectors), [vectors]);
  const [pointed, setPointed] = useState<number | null>(null);
  const onPoint = useCallback((index: number | null) => setPointed(index), []);
  const last = vectors.at(-1) ?? null;
  const shown = pointed === null ? last : (vectors[pointed] ?? last);
  const held = useMemo(
    () => (positions === null || pointed !== null || isShadow ? null : exposures(positions, equity)),
    [positions, equity, pointed, isShadow],
  );
  return (
    <Panel
      area="portfolio-weights"
      title="Portfolio weights"
      note={<Range view={view} shadows={shadows} />}
      known={known}
      stale={stale}
      onAgain={again}
      awaited={
        vectors.length > 0
          ? null
          : "No weights were decided in this range. They come at the close of a candle, once the weights' service runs."
      }
    >
      {last !== null && shown !== null && answer !== null && (
        <>
          {view.isTable ? (
            <VectorTable vectors={vectors} />
          ) : (
            <>
              <StackedArea
                stack={stacked}
                label={`Weights by instrument over ${counted(answer.closes, "close")}, cash on top`}
                onPoint={onPoint}
              />
              <Legend stack={stacked} />
            </>
          )}
          <p className="foot said" data-testid="vector">
            {isShadow ? "In shadow, decided" : pointed === null ? "Last decision" : "Decided"} {time(shown.close_time)} UTC by {policyWords(shown.policy)}
            {shown.fallback !== null && <b className="amber"> · fallback: {words(shown.fallback)}</b>}
            {answer.every > 1 && <span> · every {fixed(answer.every, 0)}th close is drawn</span>}
          </p>
          <Now vector={shown} held={held} isNow={pointed === null && !isShadow} />
        </>
      )}
    </Panel>
  );
}

/** The vectors that were asked for, and the last one that was pushed since. */
export function withPushed(vectors: readonly Weights[], pushed: Weights | null): readonly Weights[] {
  const end = vectors.at(-1)?.close_time;
  return pushed !== null && end !== undefined && pushed.close_time > end ? [...vectors, pushed] : vectors;
}

function Range({ view, shadows }: { view: View; shadows: readonly Model[] }) {
  return (
    <span className="tools">
      {(shadows.length > 0 || view.shadow !== null) && (
        <span className="picker" role="group" aria-label="Whose weights">
          <Chosen change={{ shadow: null }} isCurrent={view.shadow === null}>
            followed
          </Chosen>
          {shadows.map((one) => (
            <Chosen key={one.model_id} change={{ shadow: one.model_id }} isCurrent={view.shadow === one.model_id}>
              {one.name} <small>in shadow</small>
            </Chosen>
          ))}
        </span>
      )}
      <span className="picker" role="group" aria-label="Range of weights">
        {DAYS.map((days) => (
          <Chosen key={days} change={{ days: days === 30 ? null : String(days) }} isCurrent={days === view.days}>
            {days === 0 ? "all" : `${days} d`}
          </Chosen>
        ))}
      </span>
      <Chosen change={{ view: view.isTable ? null : "table" }} className="quiet">
        {view.isTable ? "as a drawing" : "as a table"}
      </Chosen>
    </span>
  );
}

function Now({ vector, held, isNow }: { vector: Weights; held: Map<string, number> | null; isNow: boolean }) {
  const rows = lines(vector, held);
  const cash = cashLine(vector, held);
  const columns = [
    { name: "Instrument" },
    { name: "Target", isNumber: true, title: "The weight: the largest share of the equity" },
    ...(isNow
      ? [
          { name: "Held", isNumber: true, title: "Notional of what is open, at the last settled price" },
          { name: "Difference", isNumber: true },
        ]
      : []),
  ];
  return (
    <Table caption={isNow ? "Target beside held" : "Weights at this close"} columns={columns} testId="held">
      {rows.map((one) => (
        <tr key={one.instrument}>
          <td>
            {symbolOf(one.instrument)}
            {one.isMissing && <span className="chip out"> missing: too few returns</span>}
          </td>
          <td className="number">{one.target === null ? "–" : percent(one.target * 100, 1)}</td>
          {isNow && <Beside line={one} />}
        </tr>
      ))}
      <tr className="muted">
        <td>cash, not used</td>
        <td className="number">{percent(cash.target * 100, 1)}</td>
        {isNow && <Beside line={{ instrument: "cash", isMissing: false, ...cash }} isCash />}
      </tr>
    </Table>
  );
}

function Beside({ line: { target, held }, isCash = false }: { line: Line; isCash?: boolean }) {
  const difference = held === null ? null : held - (target ?? 0);
  return (
    <>
      <td className="number">{held === null ? "not known" : percent(held * 100, 1)}</td>
      <td className={`number ${!isCash && difference !== null && difference > SAME ? "amber" : ""}`}>
        {difference === null ? "–" : Math.abs(difference) < SAME ? "0.0" : signed(difference * 100, 1)}
      </td>
    </>
  );
}

const SHOWN = 200;

function VectorTable({ vectors }: { vectors: readonly Weights[] }) {
  const names = [...new Set(vectors.flatMap((one) => Object.keys(one.weights)))].sort();
  const columns = [
    { name: "Close" },
    { name: "By" },
    ...names.map((name) => ({ name: symbolOf(name), isNumber: true })),
    { name: "Cash", isNumber: true },
  ];
  return (
    <Table caption="Weights by close, the newest first" columns={columns} testId="vectors">
      {[...vectors]
        .reverse()
        .slice(0, SHOWN)
        .map((one) => (
          <tr key={one.close_time}>
            <td>{time(one.close_time)}</td>
            <td>
              {policyWords(one.policy)} {one.fallback !== null && <span className="amber">{words(one.fallback)}</span>}
            </td>
            {names.map((name) => (
              <td key={name} className="number">
                {one.weights[name] === undefined ? "–" : percent(one.weights[name] * 100, 1)}
              </td>
            ))}
            <td className="number">{percent(cashOf(one) * 100, 1)}</td>
          </tr>
        ))}
    </Table>
  );
}
