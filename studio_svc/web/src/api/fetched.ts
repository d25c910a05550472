/** What is too large to be pushed: asked for once, and again when a push says that it changed. */

import { useCallback, useEffect, useRef, useState } from "react";

import { ask } from "./client";

export interface Fetched<Answer> {
  answer: Answer | null;
  failure: string | null;
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
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const [attempt, setAttempt] = useState(0);
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
    const timer = setTimeout(
      () => {
        asked.current = { path, at: performance.now() };
        ask<Answer>(path).then(
          (found) => {
            if (wanted.current !== path) return;
            setAnswer(found);
            setFailure(null);
          },
          (error: Error) => wanted.current === path && setFailure(error.message),
        );
      },
      wait(asked.current, path, performance.now(), gapMs),
    );
    return () => clearTimeout(timer);
  }, [path, version, gapMs, attempt]);

  const again = useCallback(() => {
    asked.current = null;
    setAttempt((count) => count + 1);
  }, []);
  return { answer, failure, again };
}
