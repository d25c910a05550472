/** What was ordered, and what came of it. */

import { memo } from "react";

import type { Known } from "../../api/known";
import type { Order } from "../../api/types";
import { NOTHING, price, quantity, shortTime, words } from "../../lib/format";
import { Side } from "../../ui/Chip";
import { Panel } from "../../ui/Panel";
import { Table } from "../../ui/Table";
import { Whose } from "../../ui/Whose";

const STATES: Record<string, string> = {
  OPEN: "waiting",
  FILLED: "filled",
  REFUSED: "refused",
  EXPIRED: "expired",
};

const NONE = "This configuration has ordered nothing yet.";

/** The quantity; of an entry at market that waits, the money that it may spend. */
function size(order: Order): string {
  if (order.quantity !== null) return quantity(order.quantity);
  if (order.status !== "OPEN" || order.notional === null) return NOTHING;
  return `for ${quantity(order.notional)} ${order.symbol.split("/")[1] ?? ""}`.trimEnd();
}

export const Orders = memo(function Orders({
  orders,
  known,
  isOne = false,
}: {
  orders: readonly Order[];
  known: Known;
  /** They are one configuration's alone. */
  isOne?: boolean;
}) {
  return (
    <Panel
      area="orders"
      title="Orders"
      note="newest first, UTC"
      known={known}
      awaited={orders.length ? null : isOne ? NONE : "Waiting for the first order: a signal, sized by its weight."}
    >
      <Table
        testId="orders"
        caption="Latest orders, with the reason of a refusal"
        columns={[
          { name: "Time" },
          { name: "Order" },
          { name: "Quantity", isNumber: true, isWide: true },
          { name: "Price", isNumber: true, title: "Of the fill; before it, the reference price" },
          { name: "State" },
        ]}
      >
        {orders.map((order) => (
          <tr key={order.order_id}>
            <td className="muted">{shortTime(order.decided_at)}</td>
            <td>
              <b>{order.symbol}</b> <Side side={order.side} />
              {order.order_type !== "market" && (
                <span className="muted"> {words(order.order_type)}</span>
              )}
              <small>
                <Whose row={order} />
              </small>
            </td>
            <td className="number wide">{size(order)}</td>
            <td className="number">{price(order.fill_price ?? order.reference_price)}</td>
            <td className="reason">
              <span className={`state ${order.status.toLowerCase()}`}>
                {STATES[order.status] ?? order.status}
              </span>
              {order.reason && <small title={order.reason}>{order.reason}</small>}
            </td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
});
