/** The days of a training: what is learned from, chosen on and judged on. */

import { date, fixed } from "../../lib/format";
import { type Parts, segments } from "./split";

export function SplitBar({ parts }: { parts: Parts }) {
  const found = segments(parts);
  return (
    <div className="split" data-testid="split">
      <div className="split-bar" aria-hidden="true">
        {found.map((one) => (
          <span key={one.start} className={one.name} style={{ flexGrow: Math.max(0.02, one.share) }} />
        ))}
      </div>
      <ul>
        {found.map((one) => (
          <li key={one.start} className={one.name}>
            <span className={`swatch ${one.name}`} aria-hidden="true" />
            {one.name} <b>{fixed(one.days, 0)} d</b>{" "}
            {one.name !== "embargo" && (
              <span className="muted">
                {date(one.start)} to {date(one.end)}
              </span>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}
