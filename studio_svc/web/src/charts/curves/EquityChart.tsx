import {
  AreaSeries,
  BaselineSeries,
  createChart,
  type IChartApi,
  type ISeriesApi,
  LineStyle,
} from "lightweight-charts";
import { useEffect, useRef, useState } from "react";

import type { EquityRow } from "../../api/types";
import { drawdowns, thin } from "../../lib/curve";
import { fixed, percent, quantity, time } from "../../lib/format";
import { colors, options, seconds } from "../theme";

/** More points than this no screen can tell apart. */
const DRAWN = 1_200;

interface Drawn {
  chart: IChartApi;
  equity: ISeriesApi<"Area">;
  drawdown: ISeriesApi<"Baseline">;
}

interface Props {
  equity: readonly EquityRow[];
  initialCash: number | null;
}

export function EquityChart({ equity, initialCash }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | null>(null);
  const [hovered, setHovered] = useState<number | null>(null);

  useEffect(() => {
    if (!place.current) return undefined;
    drawn.current = draw(place.current);
    const { chart } = drawn.current;
    chart.subscribeCrosshairMove((event) => {
      setHovered(typeof event.time === "number" ? event.time * 1000 : null);
    });
    return () => {
      chart.remove();
      drawn.current = null;
    };
  }, []);

  useEffect(() => {
    if (drawn.current) show(drawn.current, equity);
  }, [equity]);

  useEffect(() => {
    const series = drawn.current?.equity;
    if (!series || initialCash === null) return undefined;
    const line = series.createPriceLine({
      price: initialCash,
      color: colors().faint,
      title: "start",
      lineWidth: 1,
      lineStyle: LineStyle.Dotted,
      axisLabelVisible: false,
    });
    return () => {
      if (drawn.current) series.removePriceLine(line);
    };
  }, [initialCash]);

  const last = equity.at(-1);
  const row = equity.find(([closeTime]) => closeTime === hovered) ?? last;
  return (
    <>
      {row && (
        <div className="legend">
          <span className="muted">{time(row[0])}</span>
          <span>
            <i>Equity</i> {fixed(row[1], 2)}
          </span>
          <span className="wide">
            <i>Cash</i> {fixed(row[2], 2)}
          </span>
          <span className="wide">
            <i>Exposure</i> {fixed(row[3], 2)}
          </span>
          <span className="wide">
            <i>Open</i> {quantity(row[4])}
          </span>
        </div>
      )}
      <div
        className="chart"
        ref={place}
        role="img"
        aria-label={
          last
            ? `Equity curve with drawdown below; ${fixed(last[1], 2)} at ${time(last[0])} UTC`
            : "Equity curve"
        }
        data-testid="equity-chart"
        data-points={equity.length}
        data-last-time={last?.[0] ?? ""}
      />
    </>
  );
}

function draw(place: HTMLElement): Drawn {
  const chart = createChart(place, options());
  chart.timeScale().applyOptions({ minBarSpacing: 0.02, rightOffset: 0 });
  const equity = chart.addSeries(AreaSeries, {
    lineColor: colors().accent,
    topColor: `${colors().accent}40`,
    bottomColor: `${colors().accent}05`,
    lineWidth: 2,
    priceFormat: { type: "custom", formatter: (value: number) => fixed(value, 0), minMove: 0.01 },
    priceLineVisible: false,
  });
  const drawdown = chart.addSeries(
    BaselineSeries,
    {
      baseValue: { type: "price", price: 0 },
      topLineColor: "transparent",
      topFillColor1: "transparent",
      topFillColor2: "transparent",
      bottomLineColor: colors().down,
      bottomFillColor1: `${colors().down}10`,
      bottomFillColor2: `${colors().down}40`,
      lineWidth: 1,
      priceFormat: { type: "custom", formatter: (value: number) => percent(value, 1), minMove: 0.01 },
      priceLineVisible: false,
      lastValueVisible: false,
    },
    1,
  );
  chart.priceScale("right", 0).applyOptions({ scaleMargins: { top: 0.16, bottom: 0.06 } });
  chart.priceScale("right", 1).applyOptions({ scaleMargins: { top: 0.14, bottom: 0.1 } });
  const [upper, lower] = chart.panes();
  upper?.setStretchFactor(2.4);
  lower?.setStretchFactor(1);
  return { chart, equity, drawdown };
}

function show({ chart, equity, drawdown }: Drawn, rows: readonly EquityRow[]): void {
  const range = chart.timeScale().getVisibleLogicalRange();
  const seesAll = range === null || range.from <= 1;
  const points = thin(rows, DRAWN);
  const falls = drawdowns(points);
  equity.setData(points.map(([closeTime, value]) => ({ time: seconds(closeTime), value })));
  drawdown.setData(
    points.map(([closeTime], i) => ({ time: seconds(closeTime), value: falls[i] ?? 0 })),
  );
  // the whole story stays in view, unless the reader has looked closer
  if (seesAll) chart.timeScale().fitContent();
}
