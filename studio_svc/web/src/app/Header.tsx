import type { Health } from "../api/types";
import { fixed, time, words } from "../lib/format";
import type { Connection } from "../live/state";
import { follow, PATHS, type Page } from "./route";

const STATES: Record<Connection, string> = {
  connecting: "connecting",
  live: "live",
  reconnecting: "reconnecting",
  "signed-out": "signed out",
};

const SHORT: Record<string, string> = {
  market_ingest: "ingest",
  signal_svc: "signals",
  optimizer_svc: "optimizer",
  rl_svc: "weights",
  executor_svc: "executor",
  studio_svc: "page",
};

interface Props {
  page: Page;
  picked: string | null;
  openGaps: number;
  connection: Connection;
  eventTime: number | null;
  settledTime: number | null;
  isRecorded: boolean;
  health: readonly Health[];
}

export function Header({
  page,
  picked,
  openGaps,
  connection,
  eventTime,
  settledTime,
  isRecorded,
  health,
}: Props) {
  const trading = picked === null ? PATHS.trading : `/?series=${encodeURIComponent(picked)}`;
  return (
    <header className="top">
      <div className="brand">
        <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
          <path d="M2 17h7l3-9 5 17 4-12 2 4h7" className="pulse-line" />
        </svg>
        <h1>TradePulse</h1>
        <span className="badge" title="Orders are filled by the paper exchange, no money is at risk">
          paper
        </span>
      </div>
      <nav aria-label="Pages">
        <a href={trading} onClick={follow} aria-current={page === "trading" ? "page" : undefined}>
          Trading
        </a>
        <a
          href={PATHS["market-data"]}
          onClick={follow}
          aria-current={page === "market-data" ? "page" : undefined}
        >
          Market data
          {openGaps > 0 && (
            <span className="count" title={`${fixed(openGaps, 0)} gaps are open`} data-testid="open-gaps">
              {fixed(openGaps, 0)}
              <span className="unseen"> gaps are open</span>
            </span>
          )}
        </a>
      </nav>
      <dl className="clock" title={`The ledger has settled ${time(settledTime)} UTC`}>
        <dt>{isRecorded ? "Replay time" : "Market time"}</dt>
        <dd>
          <time data-testid="event-time">{time(eventTime)}</time> <small>UTC</small>
        </dd>
      </dl>
      <ul className="health" aria-label="Services">
        {health.map((service) => {
          const state = service.ready ? "ready" : service.up ? "waiting" : "down";
          return (
            <li
              key={service.service}
              className={state}
              title={`${service.service}: ${service.detail}`}
              data-testid="service"
              data-state={state}
            >
              <span className="dot" aria-hidden="true" />
              {SHORT[service.service] ?? words(service.service)}
              <span className="unseen">: {service.ready ? "ready" : service.detail}</span>
            </li>
          );
        })}
      </ul>
      <span className={`link ${connection}`} role="status" data-testid="connection">
        <span className="dot" aria-hidden="true" />
        {STATES[connection]}
      </span>
    </header>
  );
}
