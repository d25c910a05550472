import type { ReactNode } from "react";

import type { Known } from "../../api/known";
import type { EquityRow, Overview } from "../../api/types";
import { counted, fixed, percent, quantity, shortTime, signedPercent, time, tone } from "../../lib/format";
import { Failed } from "../../ui/Panel";

function Figure({
  name,
  children,
  below,
  testId,
  className = "",
  title,
}: {
  name: string;
  children: ReactNode;
  below?: ReactNode;
  testId: string;
  className?: string;
  title?: string;
}) {
  return (
    <div className="figure" title={title}>
      <dt>{name}</dt>
      <dd className={className} data-testid={testId}>
        {children}
      </dd>
      <dd className="below">{below ?? "\u00a0"}</dd>
    </div>
  );
}

interface Props {
  overview: Overview | null;
  /** The newest settled close, often newer than the overview. */
  point: EquityRow | null;
  known: Known;
}

export function Figures({ overview, point, known }: Props) {
  const initial = overview?.initial_cash ? Number(overview.initial_cash) : null;
  const stored = overview?.equity ? Number(overview.equity) : null;
  const equity = point?.[1] ?? stored;
  const profit = equity !== null && initial ? (equity / initial - 1) * 100 : null;
  const exposure = point?.[3] ?? (overview?.exposure ? Number(overview.exposure) : null);
  const held = point?.[4] ?? overview?.open_positions ?? null;
  const at = point?.[0] ?? overview?.settled_time ?? null;
  return (
    <section className="area-figures" aria-label="The account" data-known={known.state}>
      {known.state === "failed" && <Failed reason={known.reason} isAlone={overview === null} />}
    <dl className="figures" aria-label="The account's figures">
      <Figure name="Equity" testId="equity" below={initial !== null && `from ${fixed(initial, 0)} · ${shortTime(at)}`} title={`Settled at ${time(at)} UTC; the candles may be ahead`}>
        {fixed(equity, 2)}
      </Figure>
      <Figure
        name="Net profit"
        testId="net-profit"
        className={tone(profit)}
        below={overview && `fees ${fixed(Number(overview.fees), 2)}`}
        title="Since the start, after fees and slippage, open positions at the last close"
      >
        {signedPercent(profit)}
      </Figure>
      <Figure
        name="Drawdown"
        testId="drawdown"
        below={overview && `deepest ${percent(overview.max_drawdown_pct)}`}
        title="Distance from the highest equity so far"
      >
        {percent(overview?.drawdown_pct)}
      </Figure>
      <Figure
        name="Open positions"
        testId="open-positions"
        below={exposure !== null && equity ? `exposure ${percent((exposure / equity) * 100, 0)}` : null}
      >
        {held === null ? "–" : quantity(held)}
      </Figure>
      <Figure
        name="Trades"
        testId="trades"
        below={overview && `${counted(overview.refused_orders, "order")} refused`}
      >
        {fixed(overview?.trades, 0)}
      </Figure>
      <Figure
        name="Win rate"
        testId="win-rate"
        below="after fees"
        title="Closed trades with a profit after fees"
      >
        {percent(overview?.win_rate == null ? null : overview.win_rate * 100, 1)}
      </Figure>
    </dl>
    </section>
  );
}
