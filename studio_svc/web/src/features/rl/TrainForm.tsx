/** What a training is asked for, and what the server says of it while it is filled in. */

import { useState } from "react";

import { send } from "../../api/client";
import type { Configuration, Job } from "../../api/types";
import { fixed, span, words } from "../../lib/format";
import { type Checked, useCheck } from "./check";
import { EMPTY, type Field, FIGURES, type Filled, PPO, specOf } from "./spec";
import { partsOf } from "./split";
import { SplitBar } from "./SplitBar";

interface Props {
  /** Null while they are not known. */
  configurations: readonly Configuration[] | null;
  version: string;
  onStarted: (job: Job) => void;
}

export function TrainForm({ configurations, version, onStarted }: Props) {
  const [filled, setFilled] = useState<Filled>(EMPTY);
  const [said, setSaid] = useState<string | null>(null);
  const [isSent, setSent] = useState(false);
  const { spec, wrong } = specOf(filled);
  const checked = useCheck(wrong.length === 0 ? spec : null, version);
  const set = (part: Partial<Filled>): void => setFilled({ ...filled, ...part });
  const canStart = wrong.length === 0 && checked.state === "told" && checked.check.refusals.length === 0;
  const parts = checked.state === "told" ? partsOf(checked.check.parts) : null;

  const start = (): void => {
    setSent(true);
    setSaid(null);
    send<Job>("rl/train", spec).then(
      (job) => {
        setSent(false);
        onStarted(job);
      },
      (error: Error) => {
        setSent(false);
        setSaid(error.message);
      },
    );
  };

  return (
    <form className="new-training" aria-label="A new training" data-testid="train" onSubmit={(event) => event.preventDefault()}>
      <Wide label="Name" hint="to find it again">
        <input value={filled.name} maxLength={64} onChange={(event) => set({ name: event.currentTarget.value })} />
      </Wide>
      <Configurations
        configurations={configurations}
        chosen={filled.chosen}
        onChoose={(chosen) => set({ chosen })}
      />
      <div className="pairs">
        <label className="field">
          <span>From</span>
          <input type="date" value={filled.start} onChange={(event) => set({ start: event.currentTarget.value })} />
        </label>
        <label className="field">
          <span>To</span>
          <input type="date" value={filled.end} onChange={(event) => set({ end: event.currentTarget.value })} />
        </label>
      </div>
      {parts !== null ? (
        <SplitBar parts={parts} />
      ) : (
        <p className="muted">Without dates all stored candles are used: 60 % train, 20 % validation, 20 % test.</p>
      )}
      <Fields fields={FIGURES} filled={filled.figures} onFill={(figures) => set({ figures })} />
      <details>
        <summary>PPO settings</summary>
        <Fields fields={PPO} filled={filled.ppo} onFill={(ppo) => set({ ppo })} />
      </details>
      <details>
        <summary>Allow an overlap with a search</summary>
        <Wide label="Reason" hint="the report begins with it, and its figures prove nothing">
          <input value={filled.overlap} maxLength={500} onChange={(event) => set({ overlap: event.currentTarget.value })} />
        </Wide>
      </details>
      <Verdict checked={checked} wrong={wrong} />
      {said !== null && (
        <p className="down" role="alert">
          {said}
        </p>
      )}
      <p className="buttons">
        <button type="button" className="button primary" disabled={!canStart || isSent} onClick={start}>
          {isSent ? "Sent …" : startText(checked)}
        </button>
      </p>
    </form>
  );
}

function startText(checked: Checked): string {
  if (checked.state === "told" && !checked.check.trainer) return "Queue training, to wait for a trainer";
  const seconds = checked.state === "told" ? checked.check.seconds : null;
  return seconds === null ? "Start training" : `Start training, about ${span(seconds * 1_000)}`;
}

/** What stands against it, at once. */
export function Verdict({ checked, wrong }: { checked: Checked; wrong: readonly string[] }) {
  return (
    <div className="checked" role="status" data-testid="checked">
      {wrong.map((one) => (
        <p key={one} className="down">
          {one}
        </p>
      ))}
      {checked.state === "asking" && wrong.length === 0 && <p className="muted">Asking what the server says of it …</p>}
      {checked.state === "cannot" && <p className="down">This server cannot train: it has no trainer.</p>}
      {checked.state === "refused" && <p className="down">{checked.reason}</p>}
      {checked.state === "failed" && <p className="down">What the server says of it is not known: {checked.reason}</p>}
      {checked.state === "told" && (
        <>
          {!checked.check.trainer && !checked.check.warnings.some((one) => one.includes("trainer")) && (
            <p className="amber">
              No trainer runs here, so a training waits: it needs torch. Install it with <code>make rl</code> and start
              the system again.
            </p>
          )}
          {checked.check.refusals.map((one) => (
            <p key={one} className="down">
              <Marked text={one} />
            </p>
          ))}
          {checked.check.warnings.map((one) => (
            <p key={one} className="amber">
              <Marked text={one} />
            </p>
          ))}
        </>
      )}
    </div>
  );
}

/** A line of the server, what is in backticks as code. */
function Marked({ text }: { text: string }) {
  return text.split("`").map((part, n) => (n % 2 === 1 ? <code key={n}>{part}</code> : part));
}

function Wide({ label, hint, children }: { label: string; hint: string; children: React.ReactNode }) {
  return (
    <label className="field">
      <span>
        {label} <small className="muted">{hint}</small>
      </span>
      {children}
    </label>
  );
}

function Configurations({
  configurations,
  chosen,
  onChoose,
}: {
  configurations: readonly Configuration[] | null;
  chosen: readonly string[] | null;
  onChoose: (chosen: readonly string[] | null) => void;
}) {
  const all = (configurations ?? []).filter((one) => !one.retired);
  const active = all.filter((one) => one.is_active).map((one) => one.configuration_id);
  const toggle = (id: string): void => {
    const now = chosen ?? [];
    onChoose(now.includes(id) ? now.filter((one) => one !== id) : [...now, id]);
  };
  return (
    <fieldset className="choice">
      <legend>Whose trades are sized</legend>
      <label>
        <input type="radio" name="of" checked={chosen === null} onChange={() => onChoose(null)} /> all active
        configurations{configurations === null ? ", not known yet" : `: ${fixed(active.length, 0)}`}
      </label>
      <label>
        <input
          type="radio"
          name="of"
          checked={chosen !== null}
          disabled={configurations === null}
          onChange={() => onChoose(active)}
        />{" "}
        those that I choose
      </label>
      {chosen !== null && (
        <div className="scroll chosen" tabIndex={0} role="region" aria-label="Configurations to train on">
          {all.map((one) => (
            <label key={one.configuration_id}>
              <input
                type="checkbox"
                checked={chosen.includes(one.configuration_id)}
                onChange={() => toggle(one.configuration_id)}
              />{" "}
              {one.symbol} {words(one.strategy)} <span className="muted">{one.stage.toLowerCase()}</span>
            </label>
          ))}
        </div>
      )}
    </fieldset>
  );
}

function Fields({
  fields,
  filled,
  onFill,
}: {
  fields: readonly Field[];
  filled: Readonly<Record<string, string>>;
  onFill: (filled: Readonly<Record<string, string>>) => void;
}) {
  return (
    <div className="pairs">
      {fields.map(({ name, label, title, usual, isWhole }) => (
        <label key={name} className="field" title={title}>
          <span>{label}</span>
          <input
            inputMode={isWhole ? "numeric" : "decimal"}
            placeholder={usual}
            value={filled[name] ?? ""}
            onChange={(event) => onFill({ ...filled, [name]: event.currentTarget.value })}
          />
        </label>
      ))}
    </div>
  );
}
