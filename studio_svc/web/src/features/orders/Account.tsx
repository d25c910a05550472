/** What the account holds, decided and closed. */

import { memo } from "react";

import type { Order, Position, Trade } from "../../api/types";
import { reasonText } from "../../charts/candles/markers";
import { fixed, price, quantity, shortTime, signed, signedPercent, tone, words } from "../../lib/format";
import { Panel, Side, Table } from "../../ui/Panel";

export const Positions = memo(function Positions({ positions }: { positions: readonly Position[] }) {
  return (
    <Panel
      area="positions"
      title="Open positions"
      note={positions.length || undefined}
      awaited={positions.length ? null : "No position is open. An entry fills at the next open."}
    >
      <Table
        testId="positions"
        caption="Open positions, valued at the last settled close"
        columns={[
          { name: "Position" },
          { name: "Entry → last", isNumber: true },
          { name: "Stop / target", isNumber: true },
          { name: "Profit", isNumber: true, title: "At the last settled close, after the entry's fees" },
        ]}
      >
        {positions.map((position) => (
          <tr key={position.position_id}>
            <td>
              <b>{position.symbol}</b> <Side side={position.side} />
              <small>
                {quantity(position.quantity)} · {position.strategy ? words(position.strategy) : "–"}
              </small>
            </td>
            <td className="number">
              {price(position.entry_price)}
              <small>{price(position.last_price)}</small>
            </td>
            <td className="number">
              {price(position.stop_price)}
              <small>{price(position.take_profit_price)}</small>
            </td>
            <td className={`number ${tone(position.unrealised)}`}>
              {signed(position.unrealised, 2)}
              <small>{signedPercent(position.unrealised_pct)}</small>
            </td>
          </tr>
        ))}
      </Table>
    </Panel>
  );
});

const STATES: Record<string, string> = {
  OPEN: "waiting",
  FILLED: "filled",
  REFUSED: "refused",
  EXPIRED: "expired",
};

export const Orders = memo(function Orders({ orders }: { orders: readonly Order[] }) {
  return (
    <Panel
      area="orders"
      title="Orders"
      note="newest first, UTC"
      awaited={orders.length ? null : "Waiting for the first order: a signal, sized by its weight."}
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
            </td>
            <td className="number wide">{Number(order.quantity) ? quantity(order.quantity) : "–"}</td>
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

export const Trades = memo(function Trades({ trades, total }: { trades: readonly Trade[]; total: number }) {
  return (
    <Panel
      area="trades"
      title="Closed trades"
      note={total > trades.length ? `last ${trades.length} of ${fixed(total, 0)}, UTC` : "UTC"}
      awaited={trades.length ? null : "Waiting for the first closed trade."}
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
              <small className="narrow">{reasonText(trade.exit_reason)}</small>
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
