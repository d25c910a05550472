import { type ReactNode, useId } from "react";

interface Props {
  title: string;
  /** Said beside the title: a count, a time, a name. */
  note?: ReactNode;
  area: string;
  /** Shown instead of the children while there is nothing. */
  awaited?: string | null;
  children?: ReactNode;
}

export function Panel({ title, note, area, awaited, children }: Props) {
  const id = useId();
  return (
    <section className={`panel area-${area}`} aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        {note !== undefined && <span className="note">{note}</span>}
      </header>
      {awaited ? <p className="awaited">{awaited}</p> : children}
    </section>
  );
}
