/** What the gates said of a model. */

import type { Model } from "../../api/types";
import { gatesOf, measured } from "./report";

export function GateList({ model }: { model: Pick<Model, "gates"> }) {
  return (
    <ul className="gates" data-testid="gates">
      {gatesOf(model).map((gate) => (
        <li key={gate.name} className={gate.passed ? "passed" : "refused"}>
          <p>
            <span className={`chip ${gate.passed ? "up" : "down"}`}>{gate.passed ? "passed" : "refused"}</span>{" "}
            <b>{gate.title}</b> <span className="muted">{measured(gate)}</span>
          </p>
          <p className="muted">{gate.verdict}</p>
        </li>
      ))}
    </ul>
  );
}

/** `7 of 11 gates`. */
export function Passed({ model }: { model: Model }) {
  if (model.passed === null) return <span className="muted">not judged</span>;
  const passed = model.gates.filter((gate) => gate["passed"] === true).length;
  return (
    <span className={model.passed ? "up" : "down"}>
      {passed} of {model.gates.length}
    </span>
  );
}
