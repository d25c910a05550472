/** Addresses within the page: every view is a link. */

import type { Model } from "../../api/types";
import { followHere, useQuery, withQuery } from "../../lib/address";

export const HERE = "/rl-portfolio";

/** What the address chooses. */
export interface View {
  model: string | null;
  /** Beside which other model it is shown. */
  beside: string | null;
  job: string | null;
  stage: string | null;
  /** The model in shadow whose weights are drawn in place of those that are followed. */
  shadow: string | null;
  days: number;
  isTable: boolean;
}

export const DAYS = [7, 30, 90, 0] as const;

export function viewOf(query: string): View {
  const params = new URLSearchParams(query);
  const days = Number(params.get("days") ?? 30);
  return {
    model: params.get("model"),
    beside: params.get("with"),
    job: params.get("job"),
    stage: params.get("stage"),
    shadow: params.get("shadow"),
    days: (DAYS as readonly number[]).includes(days) ? days : 30,
    isTable: params.get("view") === "table",
  };
}

/** A link that changes a part of the address. */
export function Chosen({
  change,
  children,
  isCurrent,
  className,
  label,
}: {
  change: Record<string, string | null>;
  children: React.ReactNode;
  isCurrent?: boolean;
  className?: string;
  label?: string;
}) {
  const query = useQuery();
  return (
    <a
      className={className}
      href={withQuery(HERE, query, change)}
      onClick={followHere}
      aria-current={isCurrent ? "true" : undefined}
      aria-label={label}
    >
      {children}
    </a>
  );
}

export function ModelLink({ model }: { model: Pick<Model, "model_id" | "name"> }) {
  return (
    <Chosen change={{ model: model.model_id, with: null }} className="name">
      <b>{model.name}</b> <span className="muted">{model.model_id.slice(0, 8)}</span>
    </Chosen>
  );
}
