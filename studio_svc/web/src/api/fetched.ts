/** What is too large to be pushed: asked for once, and again when a push says that it changed. */

import { useCallback, useEffect, useRef, useState } from "react";

import { pause } from "./backoff";
import { type Known, LOADING, READY } from "./known";
import { ask, RefusalError } from "./client";

export interface Fetched<Answer> {
  /** The last one; of another question where `known` does not say ready. */
  answer: Answer | null;
  /** Whether the answer is there and is that of the present question. */
  known: Known;
  /** Of the refusal, where the question failed. */
  status: number | null;
  /** The question that the answer is of. */
  of: string | null;
  again: () => void;
}

/** How long to wait before asking, ms: a new question at once, the same one again after `gapMs`. */
export function wait(before: { path: string; at: number } | null, path: string, now: number, gapMs: number): number {
  return before?.path === path ? Math.max(0, before.at + gapMs - now) : 0;
}

/**
 * Ask the API; the last answer stays until the next one comes.
 *
 * @param path - the question; null asks nothing.
 * @param version - asks again when it changes, at most every `gapMs`.
 */
export function useFetched<Answer>(path: string | null, version: string, gapMs: number): Fetched<Answer> {
  const [answered, setAnswered] = useState<{ answer: Answer; of: string } | null>(null);
  const [failure, setFailure] = useState<{ reason: string; status: number; of: string } | null>(null);
  const [attempt, setAttempt] = useState(0);
  const failures = useRef(0);
  const asked = useRef<{ path: string; at: number } | null>(null);
  const wanted = useRef<string | null>(null);

  useEffect(() => {
    wanted.current = path;
    return () => {
      wanted.current = null;
    };
  }, [path]);

  useEffect(() => {
    if (path === null) return undefined;
    let retry: ReturnType<typeof setTimeout> | undefined;
    const timer = setTimeout(
      () => {
        asked.current = { path, at: performance.now() };
        ask<Answer>(path).then(
          (found) => {
            if (wanted.current !== path) return;
            failures.current = 0;
            setAnswered({ answer: found, of: path });
            setFailure(null);
          },
          (error: Error) => {
            if (wanted.current !== path) return;
            const status = error instanceof RefusalError ? error.status : 0;
            setFailure({ reason: error.message, status, of: path });
            retry = setTimeout(
              () => setAttempt((count) => count + 1),
              Math.max(gapMs, pause(failures.current, Math.random())),
            );
            failures.current += 1;
          },
        );
      },
      wait(asked.current, path, performance.now(), gapMs),
    );
    return () => {
      clearTimeout(timer);
      clearTimeout(retry);
    };
  }, [path, version, gapMs, attempt]);

  const again = useCallback(() => {
    asked.current = null;
    setAttempt((count) => count + 1);
  }, []);
  const isOurs = answered !== null && answered.of === path;
  const failed = failure !== null && failure.of === path ? failure : null;
  const known: Known =
    failed !== null
      ? { state: "failed", reason: failed.reason }
      : isOurs
        ? READY
        : LOADING;
  return { answer: answered?.answer ?? null, known, status: failed?.status ?? null, of: answered?.of ?? null, again };
}
