/** Says whose a row is; a click shows this configuration's alone, another one all again. */

import { followHere, useQuery, withQuery } from "../lib/address";
import { words } from "../lib/format";
import { askedOne, type Owned, shortId } from "../lib/whose";

export function Whose({ row }: { row: Owned }) {
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
}
