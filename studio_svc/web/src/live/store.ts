import { useSyncExternalStore } from "react";

import { type Action, type State, initial, reduce } from "./state";

export interface Store {
  /** The state as it is shown. */
  get: () => State;
  dispatch: (action: Action) => void;
  subscribe: (listener: () => void) => () => void;
}

/**
 * Every message changes the state at once, but it is shown once a frame: a slow screen skips
 * pictures instead of falling behind, and a hidden one draws nothing.
 */
export function createStore(
  nextFrame: (show: () => void) => void = requestAnimationFrame,
): Store {
  let state = initial;
  let shown = initial;
  let isAwaited = false;
  const listeners = new Set<() => void>();
  const show = (): void => {
    isAwaited = false;
    shown = state;
    for (const listener of listeners) listener();
  };
  return {
    get: () => shown,
    dispatch(action) {
      state = reduce(state, action);
      if (state === shown || isAwaited) return;
      isAwaited = true;
      nextFrame(show);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Read the state that is shown; the component renders again when it changes. */
export function useShown(store: Store): State {
  return useSyncExternalStore(store.subscribe, store.get, store.get);
}
