/** What the account holds. */

import { memo } from "react";

import type { Known } from "../../api/known";
import type { Position } from "../../api/types";
import { price, quantity, signed, signedPercent, time, tone } from "../../lib/format";
import { Side } from "../../ui/Chip";
import { Panel } from "../../ui/Panel";
import { Table } from "../../ui/Table";
import { Whose } from "../../ui/Whose";

/** What a falling target falls to, and when. */
function coming({ next_target: next }: Position): string | undefined {
  return next === null ? undefined : `falls to ${price(next.price)} at ${time(next.at)} UTC`;
}

export const Positions = memo(function Positions({
  positions,
  known,
  isLate,
  isOne = false,
}: {
  positions: readonly Position[];
  known: Known;
  /** They are one configuration's alone. */
  isOne?: boolean;
  /** What came after the last settled close is not known. */
  isLate: boolean;
}) {
  const what = isOne ? "No position of this configuration" : "No position";
  const none = isLate
    ? `${what} was open at the last settled close; what came since is not known.`
    : `${what} is open. An entry fills at the next open.`;
  return (
    <Panel
      area="positions"
      title="Open positions"
      note={positions.length || undefined}
      known={known}
      awaited={positions.length ? null : none}
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
                {quantity(position.quantity)} · <Whose row={position} />
              </small>
            </td>
            <td className="number">
              {price(position.entry_price)}
              <small>{price(position.last_price)}</small>
            </td>
            <td className="number">
              {price(position.stop_price)}
              <small title={coming(position)}>
                {price(position.take_profit_price)}
                {position.next_target !== null && " ↓"}
              </small>
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
