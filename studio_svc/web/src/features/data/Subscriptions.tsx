/** The series that are followed live, adding one and removing one. */

import { type FormEvent, memo, useState } from "react";

import { send } from "../../api/client";
import type { Known } from "../../api/known";
import type { Subscription, Subscriptions as SubscriptionsAnswer, Venue } from "../../api/types";
import { counted, shortTime, span, time } from "../../lib/format";
import { Panel } from "../../ui/Panel";
import { Table } from "../../ui/Table";

const STATES: Record<Subscription["state"], string> = {
  followed: "followed",
  waiting: "waits",
  trouble: "trouble",
};
const CHIPS: Record<Subscription["state"], string> = { followed: "on", waiting: "off", trouble: "down" };

const COLUMNS = [
  { name: "Series" },
  { name: "State" },
  { name: "Last close, UTC", isNumber: true },
  { name: "", isNumber: true },
];

const nameOf = ({ exchange, symbol, timeframe }: Subscription): string => `${exchange} ${symbol} ${timeframe}`;

/** Asks once, and again where something trades the series. */
function Confirm({ one, onKeep }: { one: Subscription; onKeep: () => void }) {
  const [isSent, setSent] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);
  const remove = (): void => {
    setSent(true);
    const { exchange, symbol, timeframe } = one;
    const force = String(refusal !== null);
    const query = new URLSearchParams({ exchange, symbol, timeframe, force });
    // the push takes the row away
    send(`subscriptions?${query.toString()}`, null, undefined, "DELETE").catch((error: Error) => {
      setRefusal(error.message);
      setSent(false);
    });
  };
  return (
    <div className="confirm" role="group" aria-label={`Remove ${nameOf(one)}?`}>
      {refusal !== null && (
        <p className="down" role="alert">
          {refusal}
        </p>
      )}
      <button type="button" className="button danger" autoFocus disabled={isSent} onClick={remove}>
        {refusal === null ? "Stop following" : "Remove all the same"}
      </button>{" "}
      <button type="button" className="button" onClick={onKeep}>
        Keep
      </button>
    </div>
  );
}

function Add({ venues, known }: { venues: readonly Venue[]; known: readonly string[] }) {
  const [venue, setVenue] = useState("");
  const [said, setSaid] = useState<{ text: string; isRefusal: boolean } | null>(null);
  const timeframes = venues.find(({ name }) => name === venue)?.timeframes ?? [];
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const entries = new FormData(form);
    const [exchange, symbol, timeframe] = ["exchange", "symbol", "timeframe"].map((name) =>
      String(entries.get(name) ?? "").trim(),
    );
    setSaid(null);
    send("subscriptions", { exchange, symbol: symbol?.toUpperCase(), timeframe }, undefined, "PUT").then(
      () => setSaid({ text: `${exchange} ${symbol?.toUpperCase()} ${timeframe} is subscribed`, isRefusal: false }),
      (error: Error) => setSaid({ text: error.message, isRefusal: true }),
    );
  };
  return (
    <form className="override add" onSubmit={submit} aria-label="Follow a series">
      <select
        name="exchange"
        required
        aria-label="Exchange"
        value={venue}
        onChange={(event) => setVenue(event.target.value)}
      >
        <option value="" disabled>
          exchange
        </option>
        {venues.map(({ name }) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <input
        name="symbol"
        required
        pattern="\s*[^\s:\/]+\/[^\s:\/]+\s*"
        title="base/quote, as BTC/USD"
        placeholder="BTC/USD"
        aria-label="Symbol"
        list="known-symbols"
        autoComplete="off"
        autoCapitalize="characters"
        spellCheck={false}
      />
      <datalist id="known-symbols">
        {known.map((symbol) => (
          <option key={symbol} value={symbol} />
        ))}
      </datalist>
      <select name="timeframe" required aria-label="Timeframe" defaultValue="" key={venue} disabled={!venue}>
        <option value="" disabled>
          timeframe
        </option>
        {timeframes.map(({ timeframe, is_native: isNative }) => (
          <option key={timeframe} value={timeframe}>
            {isNative ? timeframe : `${timeframe} (built)`}
          </option>
        ))}
      </select>
      <button type="submit">Follow</button>
      {said && (
        <span className={said.isRefusal ? "down" : "muted"} role={said.isRefusal ? "alert" : "status"}>
          {said.text}
        </span>
      )}
    </form>
  );
}

function Line({ one }: { one: Subscription }) {
  const [isAsked, setAsked] = useState(false);
  return (
    <>
      <tr>
        <td>
          <b>{one.symbol}</b> <span className="muted">{one.timeframe}</span>
          <small>{one.exchange}</small>
        </td>
        <td>
          <span className={`chip ${CHIPS[one.state]}`}>{STATES[one.state]}</span>
        </td>
        <td className="number">
          <span title={`${time(one.last_close)} UTC`}>{shortTime(one.last_close)}</span>
          <small>{behind(one)}</small>
        </td>
        <td className="number">
          {!isAsked && (
            <button
              type="button"
              className="quiet"
              aria-label={`Remove ${nameOf(one)}`}
              onClick={() => setAsked(true)}
            >
              remove
            </button>
          )}
        </td>
      </tr>
      {(isAsked || one.trouble !== null) && (
        <tr className="more">
          <td colSpan={COLUMNS.length}>
            {one.trouble}
            {isAsked && <Confirm one={one} onKeep={() => setAsked(false)} />}
          </td>
        </tr>
      )}
    </>
  );
}

function behind({ behind_ms: ms, last_close: last }: Subscription): string {
  if (last === null) return "no candle yet";
  if (ms === null) return "";
  return ms > 0 ? `${span(ms)} behind` : "up to date";
}

interface Props {
  subscriptions: SubscriptionsAnswer | null;
  known: Known;
  venues: readonly Venue[];
  isRecorded: boolean | null;
}

export const Subscriptions = memo(function Subscriptions({ subscriptions, known: told, venues, isRecorded }: Props) {
  const rows = subscriptions?.series ?? [];
  const replicas = subscriptions?.replicas ?? 0;
  const known = [...new Set(rows.map(({ symbol }) => symbol))].sort();
  return (
    <Panel
      area="subscriptions"
      title="Followed live"
      note={
        subscriptions === null
          ? undefined
          : replicas > 0
            ? `${rows.length} series, ${counted(replicas, "market_ingest runs", "market_ingest run")}`
            : `${rows.length} series`
      }
      known={told}
      awaited={subscriptions === null ? "Nothing is known of it." : null}
    >
      {subscriptions !== null && replicas === 0 && (
        <p className="hint" data-testid="no-ingest">
          No live market_ingest is running: subscriptions take effect when one does
          {isRecorded ? "; this run replays recorded candles." : "."}
        </p>
      )}
      <Add venues={venues} known={known} />
      {subscriptions === null ? null : rows.length > 0 ? (
        <Table
          testId="subscriptions"
          caption="Series that are followed live"
          columns={COLUMNS}
        >
          {rows.map((one) => (
            <Line key={one.series} one={one} />
          ))}
        </Table>
      ) : (
        <p className="awaited">No series is subscribed. Add one above.</p>
      )}
    </Panel>
  );
});
