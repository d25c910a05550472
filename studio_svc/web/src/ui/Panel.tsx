import { type ReactNode, useContext, useId } from "react";

import { type Known, READY } from "../api/known";
import { AskingContext } from "./asking";

interface Props {
  title: string;
  /** Said beside the title: a count, a time, a name. */
  note?: ReactNode;
  area: string;
  /** Whether what is shown is known; nothing is said of what is not. */
  known?: Known;
  /** Shown instead of the children while there is nothing, and it is known that there is nothing. */
  awaited?: string | null;
  /** Why what is shown is older than it should be. */
  stale?: string | null;
  /** Asks again; what the page itself asks for is asked by the page. */
  onAgain?: (() => void) | undefined;
  children?: ReactNode;
}

export function Panel({ title, note, area, known = READY, awaited, stale = null, onAgain, children }: Props) {
  const id = useId();
  const isEmpty = Boolean(awaited);
  return (
    <section
      className={`panel area-${area}`}
      aria-labelledby={id}
      aria-busy={known.state === "loading"}
      data-known={known.state}
      data-stale={stale !== null || undefined}
    >
      <header>
        <h2 id={id}>{title}</h2>
        {note !== undefined && <span className="note">{note}</span>}
      </header>
      {stale !== null && (
        <p className="stale" role="status" data-testid="stale">
          {stale}
        </p>
      )}
      {known.state === "failed" && <Failed reason={known.reason} isAlone={isEmpty} onAgain={onAgain} />}
      {!isEmpty && children}
      {isEmpty && known.state === "loading" && <Loading />}
      {isEmpty && known.state === "ready" && <p className="awaited">{awaited}</p>}
    </section>
  );
}

function Loading() {
  const { isOut } = useContext(AskingContext);
  if (isOut) return <p className="awaited">Signed out.</p>;
  return (
    <p className="awaited loading">
      <span className="soon">Asking …</span>
      <span className="late">Still asking …</span>
    </p>
  );
}

/** What could not be had, why, and a way to ask again. Other panels are unharmed. */
export function Failed({
  reason,
  isAlone = false,
  onAgain,
}: {
  reason: string;
  isAlone?: boolean;
  onAgain?: (() => void) | undefined;
}) {
  const { again } = useContext(AskingContext);
  return (
    <p className={isAlone ? "awaited failed" : "failed"} role="alert" data-testid="failed">
      <span>{isAlone ? "Not known: " : "Not up to date: "}</span>
      {reason}{" "}
      <button type="button" className="quiet" onClick={onAgain ?? again}>
        ask again
      </button>
    </p>
  );
}
