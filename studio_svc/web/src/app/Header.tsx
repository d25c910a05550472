import type { Known } from "../api/known";
import type { Health, Overview } from "../api/types";
import { follow, withQuery } from "../lib/address";
import { counted, fixed, time, words } from "../lib/format";
import type { Connection } from "../live/state";
import { PATHS, type Page } from "./route";

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

function stateOf({ ready, trouble, up }: Health): string {
  if (ready && trouble === null) return "ready";
  return up ? "waiting" : "down";
}

interface Props {
  page: Page;
  picked: string | null;
  configuration: string | null;
  /** What orders are filled by; null while that is not known. */
  mode: Overview["mode"] | null;
  openGaps: number | null;
  connection: Connection;
  eventTime: number | null;
  settledTime: number | null;
  isRecorded: boolean | null;
  health: readonly Health[];
  healthKnown: Known;
}

export function Header({
  page,
  picked,
  configuration,
  mode,
  openGaps,
  connection,
  eventTime,
  settledTime,
  isRecorded,
  health,
  healthKnown,
}: Props) {
  // what a service said before the connection went is not what it says now
  const isHeard = connection === "live" && healthKnown.state === "ready";
  const trading = withQuery(PATHS.trading, "", { series: picked, configuration });
  return (
    <header className="top">
      <div className="brand">
        <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
          <path d="M2 17h7l3-9 5 17 4-12 2 4h7" className="pulse-line" />
        </svg>
        <h1>TradePulse</h1>
        {mode === "PAPER" && (
          <span
            className="badge"
            title="Orders are filled by the paper exchange, no money is at risk"
            data-testid="mode"
          >
            paper
          </span>
        )}
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
          {openGaps !== null && openGaps > 0 && (
            <span className="count" title={`${counted(openGaps, "gap is", "gaps are")} open`} data-testid="open-gaps">
              {fixed(openGaps, 0)}
              <span className="unseen"> {openGaps === 1 ? "gap is" : "gaps are"} open</span>
            </span>
          )}
        </a>
        <a
          href={PATHS["rl-portfolio"]}
          onClick={follow}
          aria-current={page === "rl-portfolio" ? "page" : undefined}
        >
          Learned weights
        </a>
      </nav>
      <dl className="clock" title={`The ledger has settled ${time(settledTime)} UTC`}>
        <dt>{isRecorded === null ? "Event time" : isRecorded ? "Replay time" : "Market time"}</dt>
        <dd>
          <time data-testid="event-time">{time(eventTime)}</time> <small>UTC</small>
        </dd>
      </dl>
      <ul className="health" aria-label="Services">
        {healthKnown.state === "failed" && <li className="unknown">services: not known</li>}
        {health.map((service) => {
          const state = isHeard ? stateOf(service) : "unknown";
          const said = isHeard ? (service.trouble ?? service.detail) : "not known without a connection";
          return (
            <li
              key={service.service}
              className={state}
              title={`${service.service}: ${said}`}
              data-testid="service"
              data-state={state}
            >
              <span className="dot" aria-hidden="true" />
              {SHORT[service.service] ?? words(service.service)}
              <span className="unseen">: {state === "ready" ? "ready" : said}</span>
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
