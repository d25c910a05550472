/** What a person may do with a model. */

import { useState } from "react";

import type { Model, RlStatus } from "../../api/types";
import { type Asked, Decide, type Deed } from "./Decide";

interface Props {
  model: Model;
  status: RlStatus | null;
  /** Offered beside, where the model is the active one. */
  withRollback?: boolean;
  onDone: () => void;
}

export function Actions({ model, status, withRollback = false, onDone }: Props) {
  const [asked, setAsked] = useState<Asked | null>(null);
  const open = (deed: Deed, one: Model): void => {
    if (status !== null) setAsked({ deed, model: one, active: status.active, shadowDays: status.shadow_days });
  };
  const former = status?.former ?? null;
  const isRising = model.stage !== "ACTIVE" && model.mode === "signals";
  return (
    <span className="actions">
      {isRising && (
        <button type="button" className="button" disabled={status === null} onClick={() => open("promote", model)}>
          Promote …
        </button>
      )}
      {model.stage !== "RETIRED" && (
        <button type="button" className="button" disabled={status === null} onClick={() => open("retire", model)}>
          Retire …
        </button>
      )}
      {withRollback && former !== null && <Rollback former={former} onAsk={() => open("rollback", former)} />}
      <a className="button" href={`/api/rl/models/${model.model_id}/artifact`} download>
        Export
      </a>
      {asked !== null && <Decide {...asked} onDone={onDone} onClose={() => setAsked(null)} />}
    </span>
  );
}

function Rollback({ former, onAsk }: { former: Model; onAsk: () => void }) {
  return (
    <button type="button" className="button" onClick={onAsk} title={`${former.name} was active before`}>
      Roll back to {former.name} …
    </button>
  );
}

/** Where no model decides: the one that did may come back. */
export function ComeBack({ status, onDone }: { status: RlStatus; onDone: () => void }) {
  const [isAsked, setAsked] = useState(false);
  const { former, active, shadow_days: shadowDays } = status;
  if (former === null || former.mode !== "signals") return null;
  return (
    <span className="actions">
      <Rollback former={former} onAsk={() => setAsked(true)} />
      {isAsked && (
        <Decide
          deed="rollback"
          model={former}
          active={active}
          shadowDays={shadowDays}
          onDone={onDone}
          onClose={() => setAsked(false)}
        />
      )}
    </span>
  );
}
