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

interface Column {
  name: string;
  /** Numbers stand at the right. */
  isNumber?: boolean;
  /** Left out where there is little room. */
  isWide?: boolean;
  title?: string;
}

/** A table of one panel that scrolls inside it. */
export function Table({
  caption,
  columns,
  children,
  testId,
}: {
  caption: string;
  columns: readonly Column[];
  children: ReactNode;
  testId: string;
}) {
  return (
    // a region that scrolls must be reachable by keyboard
    <div className="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table data-testid={testId}>
        <caption className="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ name, isNumber, isWide, title }) => (
              <th
                key={name}
                scope="col"
                title={title}
                className={[isNumber ? "number" : "", isWide ? "wide" : ""].join(" ").trim()}
              >
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

export function Side({ side }: { side: string }) {
  const isUp = side === "long" || side === "buy" || side === "enter_long";
  const isOut = side === "exit";
  const text = side.replace("enter_", "");
  return <span className={`chip ${isOut ? "out" : isUp ? "up" : "down"}`}>{text}</span>;
}

/** Where a configuration stands. */
export function Stage({ stage, retired = false }: { stage: string; retired?: boolean }) {
  return (
    <span className={`chip stage ${stage.toLowerCase()}`}>
      {retired ? "retired" : stage.toLowerCase()}
    </span>
  );
}
