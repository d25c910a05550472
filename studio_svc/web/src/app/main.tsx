import "./styles.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { withQuery } from "../lib/address";
import { Link } from "../live/link";
import { createStore } from "../live/store";
import { App } from "./App";
import { Boundary } from "./Boundary";
import { pageOf } from "./route";

const store = createStore();
const link = new Link(store.dispatch);
const asked = new URLSearchParams(location.search).get("series");

function follow(series: string | null, configuration: string | null): () => void {
  link.open(series, configuration);
  if (series !== null && pageOf(location.pathname) === "trading") {
    history.replaceState(null, "", withQuery("/", location.search, { series }));
  }
  return () => link.close();
}

const again = (): void => link.again();

const place = document.getElementById("page");
if (!place) throw new Error("the page has no place to be drawn in");
createRoot(place).render(
  <StrictMode>
    <Boundary>
      <App store={store} follow={follow} again={again} asked={asked} />
    </Boundary>
  </StrictMode>,
);
