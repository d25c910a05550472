/** How the portfolio weighs what it trades. */

import { memo } from "react";

import type { Known } from "../../api/known";
import type { Weights as WeightVector } from "../../api/types";
import { percent, shortTime, words } from "../../lib/format";
import { symbolOf } from "../../lib/series";
import { Panel } from "../../ui/Panel";

export const Weights = memo(function Weights({
  weights,
  known,
}: {
  weights: WeightVector | null;
  known: Known;
}) {
  const entries = Object.entries(weights?.weights ?? {}).sort(([, a], [, b]) => b - a);
  const cash = 1 - entries.reduce((sum, [, weight]) => sum + weight, 0);
  const bars = cash > 0.0005 ? [...entries, ["cash", cash] as const] : entries;
  return (
    <Panel
      area="weights"
      title="Portfolio weights"
      note={weights ? words(weights.policy) : undefined}
      known={known}
      awaited={weights ? null : "Waiting for the first weights, decided at a close."}
    >
      <ul className="weights" data-testid="weights">
        {bars.map(([instrument, weight]) => (
          <li key={instrument} className={instrument === "cash" ? "cash" : ""}>
            <span>{symbolOf(instrument)}</span>
            <span className="bar" aria-hidden="true">
              <span style={{ width: `${weight * 100}%` }} />
            </span>
            <span className="number">{percent(weight * 100, 1)}</span>
          </li>
        ))}
      </ul>
      {weights && (
        <p className="foot">
          decided {shortTime(weights.close_time)} UTC, binding from the next close
          {weights.fallback && ` · its own policy could not: ${words(weights.fallback)}`}
          {weights.missing.length > 0 && ` · without ${weights.missing.map(symbolOf).join(", ")}`}
        </p>
      )}
    </Panel>
  );
});
