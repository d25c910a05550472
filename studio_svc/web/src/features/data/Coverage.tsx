/** How much of each series is there, day by day, and why something is not. */

import {
  type KeyboardEvent,
  memo,
  type PointerEvent,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";

import type { Coverage as CoverageAnswer, Gap } from "../../api/types";
import { type Cursor, cellAt, located, moved, type Place, placeOf } from "../../charts/heat/cursor";
import { edge, shape, shapes, ticks } from "../../charts/heat/drawing";
import { DAY_MS, type Heat, heat, LEVELS, MARKS, ROW } from "../../charts/heat/heat";
import { LEVEL_WORDS, MARK_WORDS, told } from "../../charts/heat/words";
import { counted, fixed, percent } from "../../lib/format";
import { parseSeries } from "../../lib/series";

const WIDEST = 24;
/** The narrowest cell that a mouse can point at, and that a finger can. */
const NARROWEST = { fine: 3, coarse: 11 };
const START_WIDTH = 12;

export const CoverageMap = memo(function CoverageMap({
  coverage,
  gaps,
}: {
  coverage: CoverageAnswer;
  gaps: readonly Gap[];
}) {
  const map = useMemo(() => heat(coverage, gaps), [coverage, gaps]);
  const [place, setPlace] = useState<Place | null>(null);
  const cursor = located(map, place);
  const setCursor = (next: Cursor | null): void => setPlace(next && placeOf(map, next));
  const [labels, view] = [useRef<HTMLUListElement>(null), useRef<HTMLDivElement>(null)];
  const width = useCellWidth(view, labels, map.days.length);
  const drawn = useMemo(() => shapes(map, width), [map, width]);

  // the newest day is what one comes for; who has scrolled away from it stays there
  const isAtEnd = useRef(true);
  const begin = useRef<number | null>(null);
  const first = map.days[0] ?? null;
  useLayoutEffect(() => {
    const gone = begin.current === null || first === null ? 0 : (first - begin.current) / DAY_MS;
    begin.current = first;
    if (!view.current) return;
    if (isAtEnd.current) view.current.scrollLeft = view.current.scrollWidth;
    else view.current.scrollLeft -= gone * width;
  }, [first, map.days.length, width]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const next = event.ctrlKey || event.metaKey || event.altKey ? null : moved(map, cursor, event.key, event.shiftKey);
    if (event.key === "Escape") setCursor(null);
    if (next === null) return;
    event.preventDefault();
    setCursor(next);
    if (view.current) show(view.current, next, width, labels.current?.offsetWidth ?? 0);
  };
  const onPointer = (event: PointerEvent<SVGSVGElement>): void => {
    const box = event.currentTarget.getBoundingClientRect();
    const found = cellAt(map, event.clientX - box.left, event.clientY - box.top, width);
    if (found?.line !== cursor?.line || found?.day !== cursor?.day) setCursor(found);
  };

  return (
    <>
      <Readout map={map} cursor={cursor} />
      <div
        ref={view}
        className="heat scroll"
        tabIndex={0}
        role="application"
        aria-label="Candles by series and day"
        aria-describedby="heat-help"
        data-testid="coverage"
        data-missing={map.missing}
        data-expected={map.expected}
        onKeyDown={onKeyDown}
        onScroll={({ currentTarget: { scrollLeft, clientWidth, scrollWidth } }) => {
          isAtEnd.current = scrollLeft + clientWidth >= scrollWidth - width;
        }}
      >
        <div className="heat-axis" aria-hidden="true">
          <span className="heat-corner" />
          <span className="heat-days">
            {ticks(map.days, width).map(({ day, text }) => (
              <span key={day} style={{ left: day * width }}>
                {text}
              </span>
            ))}
          </span>
        </div>
        <ul ref={labels} className="heat-labels">
          {map.lines.map((line) =>
            line.row === null ? (
              <li key={line.venue} className="heat-venue">
                {line.venue}
              </li>
            ) : (
              <Label key={line.row.series} series={line.row.series} share={line.share} missing={line.missing} />
            ),
          )}
        </ul>
        <svg
          width={map.days.length * width}
          height={map.height}
          role="presentation"
          onPointerMove={onPointer}
          onPointerDown={onPointer}
          onPointerLeave={(event) => event.pointerType === "mouse" && setCursor(null)}
        >
          {LEVELS.map((one) => drawn.levels[one] && <path key={one} className={`level ${one}`} d={drawn.levels[one]} />)}
          {MARKS.map((one) => drawn.marks[one] && <path key={one} className={`mark ${one}`} d={drawn.marks[one]} />)}
          {cursor && (
            <rect
              className="heat-cursor"
              x={edge(cursor.day, width) - 1}
              y={cursor.line * ROW}
              width={edge(cursor.day + 1, width) - edge(cursor.day, width) + 1}
              height={ROW}
            />
          )}
        </svg>
      </div>
      <Legend />
      <p id="heat-help" className="unseen">
        Arrow keys move by a day or a series, with shift to the next day on which something is missing. Home and End
        lead to the first and the last day.
      </p>
    </>
  );
});

function Label({ series, share, missing }: { series: string; share: number | null; missing: number }) {
  const { symbol, timeframe } = parseSeries(series);
  return (
    <li title={series}>
      <b>{symbol}</b> <span className="muted">{timeframe}</span>
      <span className={missing ? "heat-share some" : "heat-share"}>
        {share === null ? "–" : missing ? fixed(-missing, 0) : percent(100, 0)}
        <span className="unseen">{missing ? ` candles missing, ${percent((share ?? 0) * 100, 2)} there` : " there"}</span>
      </span>
    </li>
  );
}

function Readout({ map, cursor }: { map: Heat; cursor: Cursor | null }) {
  const words = cursor && told(map, cursor);
  return (
    <div className="heat-readout" role="status" data-testid="coverage-readout">
      {words ? (
        <>
          <b>{words.title}</b> <span>{words.numbers}</span>
          {words.sentences.slice(0, 3).map((sentence, i) => (
            <p key={i}>{sentence}</p>
          ))}
          {words.sentences.length > 3 && <p className="muted">and {words.sentences.length - 3} more</p>}
        </>
      ) : (
        <>
          <b>{fixed(map.missing, 0)}</b> of {counted(map.expected, "candle")} missing in this range.{" "}
          <span className="muted">
            Point at a day, or focus the map and use the arrow keys (with shift: next day with a gap).
          </span>
        </>
      )}
    </div>
  );
}

function Legend() {
  return (
    <ul className="heat-legend" aria-label="Legend">
      <li className="muted">Share of candles</li>
      {[...LEVELS].reverse().map((one) => (
        <li key={one}>
          <svg width="13" height="13" aria-hidden="true">
            <rect className={`level ${one}`} width="13" height="13" rx="2" />
          </svg>
          {LEVEL_WORDS[one]}
        </li>
      ))}
      <li className="muted legend-marks">Missing</li>
      {MARKS.map((one) => (
        <li key={one}>
          <svg width="13" height={ROW} aria-hidden="true">
            <rect className="level most" y="1" width="13" height={ROW - 2} rx="2" />
            <path className={`mark ${one}`} d={shape(one, 0, 0, 14)} />
          </svg>
          {MARK_WORDS[one]}
        </li>
      ))}
    </ul>
  );
}

/** As wide as there is room for, but not so narrow that a day cannot be pointed at. */
function useCellWidth(
  view: { current: HTMLElement | null },
  labels: { current: HTMLElement | null },
  days: number,
): number {
  const [width, setWidth] = useState(START_WIDTH);
  useLayoutEffect(() => {
    const element = view.current;
    if (!element) return undefined;
    const measure = (): void => {
      const isCoarse = matchMedia("(pointer: coarse)").matches;
      const room = element.clientWidth - (labels.current?.offsetWidth ?? 0) - 14;
      const least = isCoarse ? NARROWEST.coarse : NARROWEST.fine;
      const fitting = Math.max(least, Math.min(WIDEST, room / Math.max(days, 1)));
      setWidth(Math.floor(fitting * 100) / 100);
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [view, labels, days]);
  return width;
}

/** Scroll so that the cell is seen. */
function show(view: HTMLElement, { line, day }: Cursor, width: number, labels: number): void {
  const [left, right] = [day * width, (day + 1) * width];
  if (left < view.scrollLeft) view.scrollLeft = left;
  else if (right > view.scrollLeft + view.clientWidth - labels) {
    view.scrollLeft = right - view.clientWidth + labels;
  }
  const [top, bottom] = [line * ROW, (line + 2) * ROW];
  if (top < view.scrollTop) view.scrollTop = top;
  else if (bottom > view.scrollTop + view.clientHeight) view.scrollTop = bottom - view.clientHeight;
}
