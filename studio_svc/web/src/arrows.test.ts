/** Holds which folder may import which: a feature never another one. */

import { expect, it } from "vitest";

const BELOW: Record<string, readonly string[]> = {
  api: [],
  lib: ["api"],
  live: ["api", "lib"],
  charts: ["api", "lib"],
  ui: ["api", "lib"],
  features: ["api", "lib", "live", "charts", "ui"],
  app: ["api", "lib", "live", "charts", "ui", "features"],
};
const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g;

const sources = import.meta.glob<string>("./*/**/*.{ts,tsx}", {
  query: "?raw",
  import: "default",
  eager: true,
});

/** Where an import leads, as folders below src. */
function target(from: string, path: string): string[] {
  return new URL(path, `file:///${from}`).pathname.slice(1).split("/");
}

/** The folder that arrows are drawn between: of the features each is one. */
function room([folder = "", feature = ""]: readonly string[]): string {
  return folder === "features" ? `${folder}/${feature}` : folder;
}

function isAllowed(from: readonly string[], to: readonly string[]): boolean {
  return room(from) === room(to) || (BELOW[from[0] ?? ""] ?? []).includes(to[0] ?? "");
}

it("a folder imports only what lies below it", () => {
  const wrong = Object.entries(sources).flatMap(([path, text]) => {
    const from = path.slice(2);
    return [...text.matchAll(IMPORT)]
      .map(([, to = ""]) => target(from, to))
      .filter((to) => !isAllowed(from.split("/"), to))
      .map((to) => `${from} -> ${to.join("/")}`);
  });
  expect(wrong).toEqual([]);
});

it("the rule tells what is wrong from what is right", () => {
  const allowed = (from: string, path: string) => isAllowed(from.split("/"), target(from, path));
  expect(allowed("features/data/Gaps.tsx", "../../ui/Panel")).toBe(true);
  expect(allowed("features/data/Gaps.tsx", "./Coverage")).toBe(true);
  expect(allowed("features/data/Gaps.tsx", "../orders/Orders")).toBe(false);
  expect(allowed("features/data/Gaps.tsx", "../../app/route")).toBe(false);
  expect(allowed("lib/format.ts", "../live/state")).toBe(false);
  expect(Object.keys(sources).length).toBeGreaterThan(40);
  expect(new Set(Object.keys(sources).map((path) => path.split("/")[1]))).toEqual(new Set(Object.keys(BELOW)));
});
