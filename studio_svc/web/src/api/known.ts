/** Whether something is known. What is not must never be shown as none. */

export type Known =
  | { state: "loading" }
  | { state: "ready" }
  | { state: "failed"; reason: string };

export const LOADING: Known = { state: "loading" };
export const READY: Known = { state: "ready" };
