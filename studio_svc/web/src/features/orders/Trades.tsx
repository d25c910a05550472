/** What was closed, and with what profit. */

import { memo } from "react";

import type { Known } from "../../api/known";
import type { Trade } from "../../api/types";
import { reasonText } from "../../charts/candles/markers";
import { fixed, price, quantity, shortTime, signed, tone } from "../../lib/format";
import { Side } from "../../ui/Chip";
import { Panel } from "../../ui/Panel";
import { Table } from "../../ui/Table";
import { Whose } from "../../ui/Whose";

const NONE = "This configuration has closed no trade yet.";

export const Trades = memo(function Trades({
  trades,
  total,
  known,
  isOne = false,
}: {
  trades: readonly Trade[];
  /** How many there are in all; null while that is not known. */
  total: number | null;
  known: Known;
  /** They are one configuration's alone. */
  isOne?: boolean;
}) {
  return (
    <Panel
      area="trades"
      title="Closed trades"
      note={total !== null && total > trades.length ? `last ${trades.length} of ${fixed(total, 0)}, UTC` : "UTC"}
      known={known}
      awaited={trades.length ? null : isOne ? NONE : "Waiting for the first closed trade."}
    >
      <Table
        testId="trades-table"
        caption="Closed trades, newest first"
        columns={[
          { name: "Exit" },
          { name: "Trade" },
          { name: "Quantity", isNumber: true, isWide: true },
          { name: "Entry → exit", isNumber: true },
          { name: "Reason", isWide: true },
          { name: "Fees", isNumber: true, isWide: true },
          { name: "Profit", isNumber: true, title: "After fees" },
        ]}
      >
        {trades.map((trade) => (
          <tr key={trade.position_id}>
            <td className="muted">{shortTime(trade.exit_time)}</td>
            <td>
              <b>{trade.symbol}</b> <Side side={trade.side} />
              <small>
                <Whose row={trade} />
                <span className="narrow"> · {reasonText(trade.exit_reason)}</span>
              </small>
            </td>
            <td className="number wide">{quantity(trade.quantity)}</td>
            <td className="number">
              {price(trade.entry_price)} <span className="muted wide">→ </span>
              <span className="second">{price(trade.exit_price)}</span>
            </td>
            <td className="muted wide">{reasonText(trade.exit_reason)}</td>
            <td className="number wide muted">{fixed(Number(trade.fees), 2)}</td>
            <td className={`number ${tone(Number(trade.profit))}`}>
              {signed(Number(trade.profit), 2)}
            </td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
});
