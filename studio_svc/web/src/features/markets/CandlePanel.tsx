/** The candles of one series, and which one it is. */

import { useMemo } from "react";

import type { CandleRow, Position, Series, Trade } from "../../api/types";
import { CandleChart } from "../../charts/candles/CandleChart";
import { useScheme } from "../../charts/theme";
import { price, tone } from "../../lib/format";
import { parseSeries } from "../../lib/series";
import { known, type State } from "../../live/state";
import { Panel } from "../../ui/Panel";

interface Props {
  state: State;
  /** Of the picked series. */
  trades: readonly Trade[];
  positions: readonly Position[];
  isTraining: boolean;
  onPick: (series: string) => void;
}

export function CandlePanel({ state, trades, positions, isTraining, onPick }: Props) {
  const { picked, series } = state;
  const scheme = useScheme();
  const held = useMemo(
    () => positions.filter((position) => position.series === picked),
    [positions, picked],
  );
  const shown = picked === null ? null : parseSeries(picked);
  return (
    <Panel
      area="candles"
      title={shown ? `${shown.symbol} · ${shown.timeframe}` : "Candles"}
      note={
        series.length > 0 && (
          <Picker series={series} last={state.last} picked={picked} onPick={onPick} />
        )
      }
      // which series there are comes first; of none there is no candle
      known={known(state, picked === null ? "series" : "candles")}
      awaited={
        state.candles.rows.length > 0
          ? null
          : isTraining
            ? "Waiting for the first candle. Training comes first; its configurations then trade the rest."
            : "Waiting for the first candle."
      }
    >
      {shown && (
        <CandleChart
          key={scheme}
          name={`${shown.symbol} ${shown.timeframe}`}
          series={shown.series}
          candles={state.candles}
          trades={trades}
          positions={held}
        />
      )}
    </Panel>
  );
}

function Picker({
  series,
  last,
  picked,
  onPick,
}: {
  series: readonly Series[];
  last: Readonly<Record<string, CandleRow>>;
  picked: string | null;
  onPick: (series: string) => void;
}) {
  return (
    <span className="picker" role="group" aria-label="Series">
      {series.map((one) => {
        const row = last[one.series];
        return (
          <button
            key={one.series}
            type="button"
            aria-pressed={one.series === picked}
            title={one.series}
            onClick={() => onPick(one.series)}
          >
            {one.symbol.split("/")[0]}
            {row && <small className={tone(row[4] - row[1])}>{price(row[4])}</small>}
          </button>
        );
      })}
    </span>
  );
}
