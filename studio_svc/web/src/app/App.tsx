import { lazy, Suspense, useCallback, useEffect, useMemo } from "react";

import { MarketData } from "../features/data/MarketData";
import { useQuery } from "../lib/address";
import { askedOne } from "../lib/whose";
import { settledAt, unheard } from "../live/behind";
import { firstPick, known, recorded } from "../live/state";
import { type Store, useShown } from "../live/store";
import { AskingContext } from "../ui/asking";
import { Late, Lost, Troubled, Unheard, useBehind } from "./Condition";
import { Header } from "./Header";
import { Trading } from "./Trading";
import { usePage } from "./route";

// its code is loaded when it is opened
const RlPortfolio = lazy(async () => ({ default: (await import("../features/rl/RlPortfolio")).RlPortfolio }));

const TITLES = {
  trading: "TradePulse",
  "market-data": "Market data · TradePulse",
  "rl-portfolio": "Learned weights · TradePulse",
};

interface Props {
  store: Store;
  follow: (series: string | null, configuration: string | null) => void;
  /** Ask at once for what could not be had. */
  again: () => void;
  asked: string | null;
}

export function App({ store, follow, again, asked }: Props) {
  const state = useShown(store);
  const page = usePage();
  const { picked, configuration, configurations, series, overview } = state;
  const chosen = askedOne(useQuery());
  const own = configurations.find((one) => one.configuration_id === chosen)?.series ?? null;

  useEffect(() => follow(picked, configuration), [follow, picked, configuration]);
  useEffect(() => {
    // the other pages' addresses say nothing of it
    if (page === "trading") store.dispatch({ type: "chosen", configuration: chosen });
  }, [store, page, chosen]);
  useEffect(() => {
    if (own !== null) store.dispatch({ type: "picked", series: own });
  }, [store, own, chosen]);
  useEffect(() => {
    if (picked !== null) return;
    const first = firstPick(series, asked);
    if (first !== null) store.dispatch({ type: "picked", series: first });
  }, [store, picked, series, asked]);
  useEffect(() => {
    document.title = TITLES[page];
  }, [page]);

  const pick = useCallback((one: string) => store.dispatch({ type: "picked", series: one }), [store]);
  const isRecorded = recorded(state);
  const isOut = state.connection === "signed-out";
  const asking = useMemo(() => ({ again, isOut }), [again, isOut]);
  const late = useBehind(state);
  const waits = unheard(state);

  return (
    <AskingContext value={asking}>
      <Header
        page={page}
        picked={picked}
        configuration={configuration}
        mode={overview?.mode ?? null}
        openGaps={state.marketData?.open_gaps ?? null}
        connection={state.connection}
        eventTime={state.eventTime}
        settledTime={settledAt(state)}
        isRecorded={isRecorded}
        health={state.health}
        healthKnown={known(state, "health")}
      />
      <Lost state={state} onAgain={again} />
      <Unheard waits={waits} />
      <Late late={late} />
      <Troubled health={state.connection === "live" ? state.health : []} />
      {isOut && (
        <p className="alarm" role="alert">
          This page&apos;s token is no longer valid. Open the address that <code>tradepulse up</code>{" "}
          printed last.
        </p>
      )}
      {isRecorded === true && (
        <p className="notice">
          A replay of recorded candles on a paper account. No real order is placed; what you see is
          not a forecast.
        </p>
      )}
      {page === "market-data" && <MarketData state={state} isRecorded={isRecorded} />}
      {page === "rl-portfolio" && (
        <Suspense fallback={<p className="awaited">Loading the page …</p>}>
          <RlPortfolio state={state} />
        </Suspense>
      )}
      {page === "trading" && <Trading state={state} isLate={late !== null || waits !== null} onPick={pick} />}
      <footer>
        <span>
          TradePulse · all times UTC · <a href="/api/docs">API</a>
        </span>
        <span>
          Charts: TradingView Lightweight Charts™, © TradingView, Inc.{" "}
          <a href="https://www.tradingview.com/" rel="noreferrer" target="_blank">
            tradingview.com
          </a>
        </span>
      </footer>
    </AskingContext>
  );
}

