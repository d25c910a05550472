/** What became of one configuration and why, and moving it to another stage. */

import { type FormEvent, useEffect, useState } from "react";

import { ask, send } from "../../api/client";
import type { Configuration, ConfigurationDetail, ConfigurationEvent } from "../../api/types";
import { quantity, time, words } from "../../lib/format";
import { Stage } from "../../ui/Chip";

export const STAGES = ["DISCOVERY", "VALIDATION", "PAPER", "MATURE", "DECAY"] as const;

/** Evidence that fits into a line; the rest is in the API's answer. */
function evidenceText(evidence: Record<string, unknown>): string {
  return Object.entries(evidence)
    .map(([name, value]) => {
      if (typeof value === "number") return `${words(name)} ${quantity(value)}`;
      if (typeof value === "string") return `${words(name)} ${value}`;
      if (Array.isArray(value) && value.every((one) => typeof one === "string")) {
        return value.length > 0 ? `${words(name)} ${value.map(words).join(", ")}` : "";
      }
      return "";
    })
    .filter((text) => text !== "")
    .join(" · ");
}

export function Events({ events }: { events: readonly ConfigurationEvent[] }) {
  return (
    <ol className="events" data-testid="events">
      {[...events].reverse().map((event, i) => (
        <li key={events.length - i}>
          <span className="muted">{time(event.at)}</span>
          <span>
            {event.from_stage !== null && event.from_stage !== event.to_stage && (
              <>
                <Stage stage={event.from_stage} /> →{" "}
              </>
            )}
            <Stage stage={event.to_stage} /> {event.is_active && <span className="chip on">active</span>}
          </span>
          <span>
            {event.by_person && <span className="chip out">by hand</span>} {event.reason}
            <small>{evidenceText(event.evidence)}</small>
          </span>
        </li>
      ))}
    </ol>
  );
}

function Override({ one, onDone }: { one: Configuration; onDone: (changed: ConfigurationDetail) => void }) {
  const [said, setSaid] = useState<string | null>(null);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const [stage, reason] = ["stage", "reason"].map((name) => new FormData(form).get(name));
    setSaid(null);
    send<ConfigurationDetail>(`configurations/${one.configuration_id}/stage`, { stage, reason }).then(
      (changed) => {
        form.reset();
        onDone(changed);
      },
      (error: Error) => setSaid(error.message),
    );
  };
  return (
    <form className="override" onSubmit={submit}>
      <label>
        Move to{" "}
        <select name="stage" required aria-label="Stage" defaultValue="">
          <option value="" disabled>
            stage
          </option>
          {STAGES.filter((stage) => stage !== one.stage).map((stage) => (
            <option key={stage} value={stage}>
              {stage.toLowerCase()}
            </option>
          ))}
        </select>
      </label>
      <input name="reason" required maxLength={500} placeholder="Why? It is kept." aria-label="Reason" />
      <button type="submit">Move</button>
      {said !== null && (
        <span className="down" role="alert">
          {said}
        </span>
      )}
    </form>
  );
}

export function History({ one }: { one: Configuration }) {
  const { configuration_id: id, revision, validated_at: validatedAt } = one;
  const [events, setEvents] = useState<readonly ConfigurationEvent[] | null>(null);
  const [failure, setFailure] = useState<string | null>(null);

  // read again whenever the row that is pushed says that something happened
  useEffect(() => {
    let isWanted = true;
    ask<ConfigurationDetail>(`configurations/${id}`).then(
      (detail) => {
        if (!isWanted) return;
        setEvents(detail.events);
        setFailure(null);
      },
      (error: Error) => isWanted && setFailure(error.message),
    );
    return () => {
      isWanted = false;
    };
  }, [id, revision, validatedAt]);

  return (
    <div className="history">
      {failure !== null && <p role="alert">{failure}</p>}
      {events === null ? <p className="muted">…</p> : <Events events={events} />}
      <Override one={one} onDone={(changed) => setEvents(changed.events)} />
    </div>
  );
}
