/** Which page an address shows. Trading is at the root; the others have a path of their own. */

import { usePath } from "../lib/address";

export type Page = "trading" | "market-data" | "rl-portfolio";

export const PATHS: Record<Page, string> = {
  trading: "/",
  "market-data": "/market-data",
  "rl-portfolio": "/rl-portfolio",
};

export function pageOf(path: string): Page {
  const plain = path.replace(/\/+$/, "");
  const found = (Object.keys(PATHS) as Page[]).find((page) => PATHS[page] === plain);
  return found ?? "trading";
}

export function usePage(): Page {
  return pageOf(usePath());
}
