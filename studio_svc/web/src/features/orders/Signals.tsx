/** What the strategies say. */

import { memo } from "react";

import type { Known } from "../../api/known";
import type { Signal } from "../../api/types";
import { price, shortTime } from "../../lib/format";
import { Side } from "../../ui/Chip";
import { Panel } from "../../ui/Panel";
import { Table } from "../../ui/Table";
import { Whose } from "../../ui/Whose";

const NONE = "This configuration has given no signal yet.";

export const Signals = memo(function Signals({
  signals,
  known,
  isOne = false,
}: {
  signals: readonly Signal[];
  known: Known;
  /** They are one configuration's alone. */
  isOne?: boolean;
}) {
  return (
    <Panel
      area="signals"
      title="Signals"
      note="newest first, UTC"
      known={known}
      awaited={signals.length ? null : isOne ? NONE : "Waiting for the first signal of an active configuration."}
    >
      <Table
        testId="signals"
        caption="Latest signals of the strategies"
        columns={[
          { name: "Time" },
          { name: "Signal" },
          { name: "Price", isNumber: true },
        ]}
      >
        {signals.map((signal) => (
          <tr key={signal.signal_id}>
            <td className="muted">{shortTime(signal.decided_at)}</td>
            <td>
              <b>{signal.symbol}</b> <Side side={signal.action} />
              <small>
                <Whose row={signal} />
              </small>
            </td>
            <td className="number">{price(signal.reference_price)}</td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
});
