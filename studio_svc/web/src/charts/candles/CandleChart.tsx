import {
  CandlestickSeries,
  createChart,
  createSeriesMarkers,
  HistogramSeries,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  LineStyle,
  type SeriesMarker,
  type Time,
} from "lightweight-charts";
import { useEffect, useMemo, useRef, useState } from "react";

import type { CandleRow, Position, Trade } from "../../api/types";
import { counted, fixed, price, priceDigits, quantity, signed, signedPercent, time, tone } from "../../lib/format";
import type { Grown } from "../../lib/grown";
import { shortId, whose } from "../../lib/whose";
import { colors, options, seconds } from "../theme";
import { labelOf, type Mark, marks } from "./markers";

const SHOWN = 150;
const SHOWN_NARROW = 64;

interface Props {
  name: string;
  series: string;
  candles: Grown<CandleRow>;
  trades: readonly Trade[];
  positions: readonly Position[];
}

interface Drawn {
  chart: IChartApi;
  candles: ISeriesApi<"Candlestick">;
  volume: ISeriesApi<"Histogram">;
  markers: ISeriesMarkersPluginApi<Time>;
  lines: IPriceLine[];
  series: string;
  epoch: number;
  lastTime: number;
}

export function CandleChart({ name, series, candles, trades, positions }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | null>(null);
  const [hovered, setHovered] = useState<number | null>(null);
  const [inView, setInView] = useState(0);
  const found = useMemo(
    () => marks(candles.rows, trades, positions),
    [candles.rows, trades, positions],
  );

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
    if (drawn.current) show(drawn.current, series, candles);
  }, [series, candles]);

  useEffect(() => {
    const now = drawn.current;
    if (!now) return undefined;
    const count = (): void => {
      const range = now.chart.timeScale().getVisibleRange();
      if (!range) return;
      const [from, to] = [Number(range.from) * 1000, Number(range.to) * 1000];
      setInView(found.filter((mark) => mark.openTime >= from && mark.openTime <= to).length);
    };
    count();
    now.chart.timeScale().subscribeVisibleTimeRangeChange(count);
    return () => {
      // a chart that was removed has dropped its listeners already
      if (drawn.current) now.chart.timeScale().unsubscribeVisibleTimeRangeChange(count);
    };
  }, [found]);

  useEffect(() => {
    drawn.current?.markers.setMarkers(found.map((mark) => markerOf(mark, inView)));
  }, [found, inView]);

  useEffect(() => {
    if (drawn.current) showLevels(drawn.current, positions);
  }, [positions]);

  const last = candles.rows.at(-1);
  const row = candles.rows.find(([openTime]) => openTime === hovered) ?? last;
  const label = last
    ? `Candles of ${name}; last close ${price(last[4])} at ${time(last[0])} UTC, ` +
      `${counted(trades.length, "closed trade")} marked`
    : `Candles of ${name}`;
  return (
    <>
      {row && <Legend row={row} marks={found.filter((mark) => mark.openTime === row[0])} />}
      <div
        className="chart"
        ref={place}
        role="img"
        aria-label={label}
        data-testid="candle-chart"
        data-candles={candles.rows.length}
        data-last-time={last?.[0] ?? ""}
        data-markers={found.length}
      />
    </>
  );
}

function Legend({ row, marks: here }: { row: CandleRow; marks: Mark[] }) {
  const [openTime, open, high, low, close, volume] = row;
  const change = open > 0 ? (close / open - 1) * 100 : null;
  return (
    <div className="legend">
      <span className="muted">{time(openTime)}</span>
      <span>
        <i>O</i> {price(open)} <i>H</i> {price(high)} <i>L</i> {price(low)} <i>C</i> {price(close)}
      </span>
      <span className={tone(change)}>{signedPercent(change)}</span>
      <span className="wide">
        <i>Vol</i> {quantity(volume)}
      </span>
      {here.map((mark) => (
        <span key={mark.id} className="mark">
          {mark.owner}: {mark.kind} {mark.side} {mark.kind === "exit" && `· ${mark.text} `}@ {price(mark.price)}
          {mark.profit !== null && (
            <b className={tone(mark.profit)}> {signed(mark.profit, 2)}</b>
          )}
        </span>
      ))}
    </div>
  );
}

function draw(place: HTMLElement): Drawn {
  const chart = createChart(place, options());
  const candles = chart.addSeries(CandlestickSeries, {
    upColor: colors().up,
    downColor: colors().down,
    wickUpColor: colors().up,
    wickDownColor: colors().down,
    borderVisible: false,
    priceLineColor: colors().faint,
    priceLineStyle: LineStyle.Dotted,
  });
  const volume = chart.addSeries(HistogramSeries, {
    priceScaleId: "volume",
    priceFormat: { type: "volume" },
    lastValueVisible: false,
    priceLineVisible: false,
  });
  chart.priceScale("right").applyOptions({ scaleMargins: { top: 0.12, bottom: 0.18 } });
  chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.86, bottom: 0 } });
  return {
    chart,
    candles,
    volume,
    markers: createSeriesMarkers(candles, []),
    lines: [],
    series: "",
    epoch: -1,
    lastTime: Number.NEGATIVE_INFINITY,
  };
}

/** Append what is new; draw anew where the series or its epoch changed. */
function show(drawn: Drawn, series: string, { rows, epoch }: Grown<CandleRow>): void {
  const isAnew = drawn.series !== series || drawn.epoch !== epoch;
  if (isAnew) {
    drawn.candles.setData(rows.map(candleOf));
    drawn.volume.setData(rows.map(volumeOf));
  } else {
    for (const row of rows.filter(([openTime]) => openTime > drawn.lastTime)) {
      drawn.candles.update(candleOf(row));
      drawn.volume.update(volumeOf(row));
    }
  }
  const last = rows.at(-1);
  if (drawn.series !== series && last) {
    const digits = priceDigits(last[4]);
    drawn.candles.applyOptions({
      priceFormat: {
        type: "custom",
        formatter: (value: number) => fixed(value, digits),
        minMove: 10 ** -digits,
      },
    });
    const shown = drawn.chart.timeScale().width() < 500 ? SHOWN_NARROW : SHOWN;
    drawn.chart
      .timeScale()
      .setVisibleLogicalRange({ from: rows.length - shown, to: rows.length + 4 });
    drawn.chart.priceScale("right").applyOptions({ autoScale: true });
    drawn.series = series;
  }
  drawn.epoch = epoch;
  drawn.lastTime = last?.[0] ?? Number.NEGATIVE_INFINITY;
}

function showLevels(drawn: Drawn, positions: readonly Position[]): void {
  for (const line of drawn.lines) drawn.candles.removePriceLine(line);
  const owner = (one: Position): string => (positions.length > 1 ? ` ${shortId(one.configuration_id)}` : "");
  drawn.lines = positions.flatMap((position) =>
    (
      [
        [position.entry_price, colors().accent, `${position.side} ${whose(position)}`],
        [position.stop_price, colors().down, `stop${owner(position)}`],
        [position.take_profit_price, colors().up, `target${owner(position)}`],
      ] as const
    ).flatMap(([level, color, title]) =>
      level === null
        ? []
        : drawn.candles.createPriceLine({
            price: Number(level),
            color,
            title,
            lineWidth: 1,
            lineStyle: LineStyle.Dashed,
            axisLabelVisible: true,
          }),
    ),
  );
}

function candleOf([openTime, open, high, low, close]: CandleRow) {
  return { time: seconds(openTime), open, high, low, close };
}

function volumeOf([openTime, open, , , close, volume]: CandleRow) {
  return { time: seconds(openTime), value: volume, color: `${close >= open ? colors().up : colors().down}38` };
}

function markerOf(mark: Mark, inView: number): SeriesMarker<Time> {
  const label = labelOf(mark, inView);
  const isLong = mark.side === "long";
  const time_ = seconds(mark.openTime);
  if (mark.kind === "entry") {
    return {
      id: mark.id,
      time: time_,
      position: isLong ? "belowBar" : "aboveBar",
      shape: isLong ? "arrowUp" : "arrowDown",
      color: colors().accent,
      size: 1,
      ...(label === null ? {} : { text: label }),
    };
  }
  return {
    id: mark.id,
    time: time_,
    position: isLong ? "aboveBar" : "belowBar",
    shape: "circle",
    color: (mark.profit ?? 0) >= 0 ? colors().up : colors().down,
    size: 0.8,
    ...(label === null ? {} : { text: label }),
  };
}
