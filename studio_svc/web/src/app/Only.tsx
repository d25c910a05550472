/** Of which configuration alone signals, orders, positions, trades and their marks are shown. */

import { memo } from "react";

import type { Configuration } from "../api/types";
import { followHere, go, useQuery, withQuery } from "../lib/address";
import { words } from "../lib/format";
import { parseSeries } from "../lib/series";
import { shortId } from "../lib/whose";

interface Props {
  configurations: readonly Configuration[];
  /** The chosen one; null: all. */
  chosen: string | null;
}

/** By strategy, in the order of the list: those that trade come first. */
function byStrategy(configurations: readonly Configuration[]): [string, Configuration[]][] {
  const found = new Map<string, Configuration[]>();
  for (const one of configurations) found.set(one.strategy, [...(found.get(one.strategy) ?? []), one]);
  return [...found];
}

export const Only = memo(function Only({ configurations, chosen }: Props) {
  const query = useQuery();
  if (configurations.length === 0 && chosen === null) return null;
  const isListed = configurations.some((one) => one.configuration_id === chosen);
  return (
    <p className="only">
      <label>
        Signals, orders, positions and trades of{" "}
        <select
          value={chosen ?? ""}
          data-testid="only"
          onChange={(event) =>
            go(withQuery("/", query, { configuration: event.currentTarget.value || null }), { keepsPlace: true })
          }
        >
          <option value="">all configurations</option>
          {chosen !== null && !isListed && <option value={chosen}>{shortId(chosen)}</option>}
          {byStrategy(configurations).map(([strategy, own]) => (
            <optgroup key={strategy} label={words(strategy)}>
              {own.map((one) => (
                <option key={one.configuration_id} value={one.configuration_id}>
                  {words(strategy)} {shortId(one.configuration_id)} · {one.symbol}{" "}
                  {parseSeries(one.series).timeframe}
                  {one.is_active ? "" : ", off"}
                </option>
              ))}
            </optgroup>
          ))}
        </select>
      </label>
      {chosen !== null && (
        <>
          <a href={withQuery("/", query, { configuration: null })} onClick={followHere}>
            show all
          </a>
          <span>Figures, equity and weights are those of the whole account.</span>
        </>
      )}
    </p>
  );
});
