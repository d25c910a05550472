/** What the strategies say. */

import { memo } from "react";

import type { Known } from "../../api/known";
import type { Signal } from "../../api/types";
import { price, shortTime, words } from "../../lib/format";
import { Side } from "../../ui/Chip";
import { Panel } from "../../ui/Panel";
import { Table } from "../../ui/Table";

export const Signals = memo(function Signals({
  signals,
  known,
}: {
  signals: readonly Signal[];
  known: Known;
}) {
  return (
    <Panel
      area="signals"
      title="Signals"
      note="newest first, UTC"
      known={known}
      awaited={signals.length ? null : "Waiting for the first signal of an active configuration."}
    >
      <Table
        testId="signals"
        caption="Latest signals of the strategies"
        columns={[
          { name: "Time" },
          { name: "Signal" },
          { name: "Strategy" },
          { name: "Price", isNumber: true },
        ]}
      >
        {signals.map((signal) => (
          <tr key={signal.signal_id}>
            <td className="muted">{shortTime(signal.decided_at)}</td>
            <td>
              <b>{signal.symbol}</b> <Side side={signal.action} />
            </td>
            <td className="muted">{words(signal.strategy)}</td>
            <td className="number">{price(signal.reference_price)}</td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
});
