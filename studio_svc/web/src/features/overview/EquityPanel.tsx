/** How the account's equity went, and how far it is from its peak. */

import type { Known } from "../../api/known";
import type { EquityRow, Overview } from "../../api/types";
import { EquityChart } from "../../charts/curves/EquityChart";
import { useScheme } from "../../charts/theme";
import { Panel } from "../../ui/Panel";

interface Props {
  equity: readonly EquityRow[];
  overview: Overview | null;
  known: Known;
}

export function EquityPanel({ equity, overview, known }: Props) {
  const scheme = useScheme();
  return (
    <Panel
      area="equity"
      title="Equity and drawdown"
      note="settled closes, UTC"
      known={known}
      awaited={equity.length ? null : "Waiting for the first settled close."}
    >
      <EquityChart
        key={scheme}
        equity={equity}
        initialCash={overview?.initial_cash ? Number(overview.initial_cash) : null}
      />
    </Panel>
  );
}
