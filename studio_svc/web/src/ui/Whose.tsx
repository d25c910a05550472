/** Says whose a row is; a click shows this configuration's alone, another one all again. */

import { memo } from "react";

import { followHere, useQuery, withQuery } from "../lib/address";
import { words } from "../lib/format";
import { askedOne, type Owned, shortId } from "../lib/whose";

/** A list has a hundred of them and changes all the time: one that says the same is not drawn again. */
export const Whose = memo(function Whose({ row }: { row: Owned }) {
  const query = useQuery();
  const { configuration_id: id, strategy } = row;
  const isAlone = askedOne(query) === id;
  return (
    <a
      className="whose"
      href={withQuery("/", query, { configuration: isAlone ? null : id })}
      onClick={followHere}
      aria-current={isAlone ? "true" : undefined}
      title={`Configuration ${id}: ${isAlone ? "show those of all again" : "show its own alone"}`}
      data-testid="whose"
      data-configuration={id}
    >
      {strategy !== null && `${words(strategy)} `}
      <span className="id">{shortId(id)}</span>
    </a>
  );
}, isSame);

function isSame({ row: one }: { row: Owned }, { row: other }: { row: Owned }): boolean {
  return one.configuration_id === other.configuration_id && one.strategy === other.strategy;
}
