import type { ReactNode } from "react";

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
