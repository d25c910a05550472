/** Which page an address shows. Trading is at the root; the others have a path of their own. */

import { type MouseEvent, useSyncExternalStore } from "react";

export type Page = "trading" | "market-data";

export const PATHS: Record<Page, string> = { trading: "/", "market-data": "/market-data" };
const MOVED = "moved";

export function pageOf(path: string): Page {
  return path.replace(/\/+$/, "") === PATHS["market-data"] ? "market-data" : "trading";
}

/** Go to a page without loading it anew: the stream goes on. */
export function go(address: string): void {
  history.pushState(null, "", address);
  scrollTo(0, 0);
  dispatchEvent(new Event(MOVED));
}

/** Follow a link within the page, unless it shall open elsewhere. */
export function follow(event: MouseEvent<HTMLAnchorElement>): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(event.currentTarget.getAttribute("href") ?? "/");
}

export function usePage(): Page {
  return useSyncExternalStore(
    (listener) => {
      addEventListener("popstate", listener);
      addEventListener(MOVED, listener);
      return () => {
        removeEventListener("popstate", listener);
        removeEventListener(MOVED, listener);
      };
    },
    () => pageOf(location.pathname),
    () => "trading" as const,
  );
}
