import { useCallback, useEffect } from "react";

import { MarketData } from "../features/data/MarketData";
import { firstPick, recorded } from "../live/state";
import { type Store, useShown } from "../live/store";
import { Header } from "./Header";
import { Trading } from "./Trading";
import { usePage } from "./route";

const TITLES = { trading: "TradePulse", "market-data": "Market data · TradePulse" };

interface Props {
  store: Store;
  follow: (series: string | null) => void;
  asked: string | null;
}

export function App({ store, follow, asked }: Props) {
  const state = useShown(store);
  const page = usePage();
  const { picked, series, overview } = state;

  useEffect(() => follow(picked), [follow, picked]);
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

  return (
    <>
      <Header
        page={page}
        picked={picked}
        openGaps={state.marketData?.open_gaps ?? 0}
        connection={state.connection}
        eventTime={state.eventTime}
        settledTime={overview?.settled_time ?? null}
        isRecorded={isRecorded}
        health={state.health}
      />
      {state.connection === "signed-out" && (
        <p className="alarm" role="alert">
          This page&apos;s token is no longer valid. Open the address that <code>tradepulse up</code>{" "}
          printed last.
        </p>
      )}
      {isRecorded && (
        <p className="notice">
          A replay of recorded candles on a paper account. No real order is placed; what you see is
          not a forecast.
        </p>
      )}
      {page === "market-data" ? (
        <MarketData state={state} isRecorded={isRecorded} />
      ) : (
        <Trading state={state} onPick={pick} />
      )}
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
    </>
  );
}

