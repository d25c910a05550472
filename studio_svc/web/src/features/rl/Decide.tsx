/** The dialogs that change a model's stage: what follows from it, the reason, and a button that says it. */

import { useEffect, useId, useRef, useState } from "react";

import { send } from "../../api/client";
import type { Model } from "../../api/types";
import { Stage } from "../../ui/Chip";
import { GateList } from "./Gates";
import { objections } from "./report";

export type Deed = "promote" | "retire" | "rollback";

export interface Asked {
  deed: Deed;
  model: Model;
  /** The model that decides now, where there is one. */
  active: Model | null;
  shadowDays: number;
}

interface Props extends Asked {
  /** Called when it is done. */
  onDone: () => void;
  onClose: () => void;
}

const TITLES: Record<Deed, string> = { promote: "Promote", retire: "Retire", rollback: "Roll back to" };

export function Decide({ deed, model, active, shadowDays, onDone, onClose }: Props) {
  const place = useRef<HTMLDialogElement>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const title = useId();
  const [to, setTo] = useState<"SHADOW" | "ACTIVE">(deed === "rollback" || model.stage === "SHADOW" ? "ACTIVE" : "SHADOW");
  const [reason, setReason] = useState("");
  const [typed, setTyped] = useState("");
  const [said, setSaid] = useState<string | null>(null);
  const [isSent, setSent] = useState(false);
  const goesUp = deed !== "retire";
  const against = goesUp ? objections(model, to, shadowDays, Date.now()) : [];
  const isRefused = goesUp && model.passed !== true;
  const needsReason = deed === "retire" || against.length > 0;
  const isReady = (!needsReason || reason.trim() !== "") && (!isRefused || typed.trim() === model.name) && !isSent;

  useEffect(() => {
    const dialog = place.current;
    if (dialog && !dialog.open) dialog.showModal();
    // what changes nothing has the focus
    cancel.current?.focus();
  }, []);

  const act = (): void => {
    setSent(true);
    setSaid(null);
    const path = `rl/models/${model.model_id}/${goesUp ? "promote" : "retire"}`;
    const given = reason.trim() === "" ? {} : { reason: reason.trim() };
    send(path, goesUp ? { to, ...given } : given).then(
      () => {
        onDone();
        onClose();
      },
      (error: Error) => {
        setSent(false);
        setSaid(error.message);
      },
    );
  };

  return (
    <dialog ref={place} className="decide" aria-labelledby={title} onClose={onClose} data-testid="decide">
      <h2 id={title}>
        {TITLES[deed]} {model.name} <Stage stage={model.stage} />
      </h2>
      {deed === "promote" && model.stage !== "SHADOW" && (
        <fieldset className="choice">
          <legend>To</legend>
          {(["SHADOW", "ACTIVE"] as const).map((one) => (
            <label key={one}>
              <input type="radio" name="to" checked={to === one} onChange={() => setTo(one)} />
              {one === "SHADOW" ? " shadow: it decides beside, nothing follows it" : " active: it sizes the next entries"}
            </label>
          ))}
        </fieldset>
      )}
      <p>{consequence(deed, model, active, to)}</p>
      {goesUp && model.gates.length > 0 && (
        <div className="gates-read scroll" tabIndex={0} role="region" aria-label="What the gates said">
          <GateList model={model} />
        </div>
      )}
      {goesUp && model.passed === null && <p className="down">No gate has judged it.</p>}
      {against.length > 0 && (
        <p className="down" data-testid="set-aside">
          This sets aside: {against.join("; ")}. The reason stays with the model, in red.
        </p>
      )}
      <label className="field">
        <span>Reason{needsReason ? "" : ", if there is one"}</span>
        <textarea
          rows={2}
          maxLength={500}
          value={reason}
          required={needsReason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
      </label>
      {isRefused && (
        <label className="field">
          <span>
            It was not passed by its gates. Type its name, <b>{model.name}</b>, to go on
          </span>
          <input value={typed} autoComplete="off" onChange={(event) => setTyped(event.currentTarget.value)} />
        </label>
      )}
      {said !== null && (
        <p className="down" role="alert">
          {said}
        </p>
      )}
      <p className="buttons">
        <button type="button" className="button" ref={cancel} onClick={() => place.current?.close()}>
          Cancel
        </button>
        <button type="button" className="button danger" disabled={!isReady} onClick={act}>
          {isSent ? "Sent …" : buttonText(deed, model, to)}
        </button>
      </p>
    </dialog>
  );
}

function buttonText(deed: Deed, model: Model, to: string): string {
  if (deed === "retire") return `Retire ${model.name}`;
  if (deed === "rollback") return `Roll back to ${model.name}`;
  return `Promote ${model.name} to ${to.toLowerCase()}`;
}

function consequence(deed: Deed, model: Model, active: Model | null, to: string): string {
  if (deed === "retire") {
    return model.stage === "ACTIVE"
      ? "From the next close on inverse volatility decides the weights. Open positions are not touched."
      : "It is taken out of service; what decides now goes on.";
  }
  if (to === "SHADOW") return "At each close its weights are stored beside those that are followed; none of them trades.";
  const replaced = active !== null && active.model_id !== model.model_id ? ` ${active.name} is retired for it.` : "";
  return `From the next close on its weights size the entries.${replaced} Open positions are not touched.`;
}
