/** Whose a signal, an order, a position or a trade is. */

import { words } from "./format";

export interface Owned {
  configuration_id: string;
  /** Null where the server did not say it. */
  strategy: string | null;
}

/** As the commands show an id, and take it. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

/** `sma cross 3166a7b9`. */
export function whose({ configuration_id: id, strategy }: Owned): string {
  return strategy === null ? shortId(id) : `${words(strategy)} ${shortId(id)}`;
}

/** The strategy of each configuration, by its id. */
export function strategiesOf(known: readonly Owned[]): ReadonlyMap<string, string> {
  return new Map(known.flatMap(({ configuration_id: id, strategy }) => (strategy === null ? [] : [[id, strategy]])));
}

/**
 * Rows with the strategy that their configuration names: what is pushed has its id alone. The same
 * array where nothing is to be named.
 */
export function named<Row extends Owned>(
  rows: readonly Row[],
  strategies: ReadonlyMap<string, string>,
): readonly Row[] {
  if (rows.every((row) => row.strategy !== null)) return rows;
  return rows.map((row) =>
    row.strategy === null ? { ...row, strategy: strategies.get(row.configuration_id) ?? null } : row,
  );
}

/** The rows of one configuration; null: all of them. */
export function ofOne<Row extends { configuration_id: string }>(
  rows: readonly Row[],
  configuration: string | null,
): readonly Row[] {
  return configuration === null ? rows : rows.filter((row) => row.configuration_id === configuration);
}

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The configuration that an address asks for alone; what is no id asks for none. */
export function askedOne(query: string): string | null {
  const asked = new URLSearchParams(query).get("configuration")?.toLowerCase() ?? "";
  return ID.test(asked) ? asked : null;
}
