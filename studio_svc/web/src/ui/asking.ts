/** What every panel may need of the page around it. */

import { createContext } from "react";

export interface Asking {
  /** Ask at once for what could not be had. */
  again: () => void;
  /** The page's token is not valid any more. */
  isOut: boolean;
}

export const AskingContext = createContext<Asking>({ again: () => undefined, isOut: false });
