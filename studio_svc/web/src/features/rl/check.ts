/** What a training would come to, asked while the form is filled in. */

import { useEffect, useState } from "react";

import { RefusalError, send } from "../../api/client";
import type { PolicySpec, TrainCheck } from "../../api/types";

const QUIET_MS = 500;
/** A trainer starts, a disk fills, candles are stored: no push tells of that. */
const AGAIN_MS = 20_000;
const NOT_FOUND = 404;
const NOT_ALLOWED = 405;
const [REFUSED, INVALID] = [409, 422];

export type Checked =
  | { state: "asking" }
  | { state: "told"; check: TrainCheck }
  /** The server has no trainer at all. */
  | { state: "cannot" }
  | { state: "refused"; reason: string }
  | { state: "failed"; reason: string };

/** What a refusal of the question means. */
export function failureOf(error: Error): Checked {
  const status = error instanceof RefusalError ? error.status : 0;
  if (status === NOT_FOUND || status === NOT_ALLOWED) return { state: "cannot" };
  if (status === REFUSED || status === INVALID) return { state: "refused", reason: error.message };
  return { state: "failed", reason: error.message };
}

/** Ask what the server says of a training; null asks nothing. `round` asks again. */
export function useCheck(spec: PolicySpec | null, round: string): Checked {
  const [checked, setChecked] = useState<Checked>({ state: "asking" });
  const body = spec === null ? null : JSON.stringify(spec);
  useEffect(() => {
    if (body === null) return undefined;
    let isWanted = true;
    const told = (checked: Checked): void => {
      if (!isWanted) return;
      setChecked(checked);
      timer = setTimeout(ask, AGAIN_MS);
    };
    const ask = (): void => {
      send<TrainCheck>("rl/train/check", JSON.parse(body)).then(
        (check) => told({ state: "told", check }),
        (error: Error) => told(failureOf(error)),
      );
    };
    let timer = setTimeout(ask, QUIET_MS);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [body, round]);
  return checked;
}
