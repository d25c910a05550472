/** Rows that mostly grow at their end; `epoch` changes when they must be drawn anew. */
export interface Grown<Row> {
  rows: readonly Row[];
  epoch: number;
}
