/** The address of what is shown: every view is a link, and back leads back. */

import { type MouseEvent, useSyncExternalStore } from "react";

const MOVED = "moved";

/** Go to an address without loading the page anew: the stream goes on. */
export function go(address: string, { keepsPlace = false } = {}): void {
  history.pushState(null, "", address);
  if (!keepsPlace) scrollTo(0, 0);
  dispatchEvent(new Event(MOVED));
}

/** Follow a link within the page, unless it shall open elsewhere. */
export function follow(event: MouseEvent<HTMLAnchorElement>): void {
  followed(event, false);
}

/** The same for a link to something on the page that is shown. */
export function followHere(event: MouseEvent<HTMLAnchorElement>): void {
  followed(event, true);
}

function followed(event: MouseEvent<HTMLAnchorElement>, keepsPlace: boolean): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(event.currentTarget.getAttribute("href") ?? "/", { keepsPlace });
}

function listen(listener: () => void): () => void {
  addEventListener("popstate", listener);
  addEventListener(MOVED, listener);
  return () => {
    removeEventListener("popstate", listener);
    removeEventListener(MOVED, listener);
  };
}

/** The path. */
export function usePath(): string {
  return useSyncExternalStore(listen, () => location.pathname, () => "/");
}

/** What follows the path, as it stands in the address. */
export function useQuery(): string {
  return useSyncExternalStore(listen, () => location.search, () => "");
}

/** An address with some of its parameters changed; null takes one away. */
export function withQuery(path: string, query: string, changed: Record<string, string | null>): string {
  const params = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changed)) {
    if (value === null) params.delete(name);
    else params.set(name, value);
  }
  const told = params.toString();
  return told === "" ? path : `${path}?${told}`;
}
