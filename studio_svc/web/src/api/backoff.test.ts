import { expect, it } from "vitest";

import { pause } from "./backoff";

it("grows from half a second to half a minute, spread by three tenths", () => {
  const middle = [0, 1, 2, 3, 4, 5, 6, 7, 50].map((failures) => pause(failures, 0.5));
  expect(middle).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  expect([pause(0, 0), pause(0, 1)]).toEqual([350, 650]);
  expect([pause(9, 0), pause(9, 1)]).toEqual([21_000, 39_000]);
});
