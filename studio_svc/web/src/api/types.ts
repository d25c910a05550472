/**
 * What the page calls what the API answers and the stream pushes. Money is a decimal string, times
 * are epoch ms UTC; the fields are those of the API's document.
 */

import type {
  AllocationsView,
  ConfigurationDetailView,
  ConfigurationEventView,
  ConfigurationView,
  CoverageRowView,
  CoverageView,
  CurvesView,
  DriftDayView,
  DriftView,
  EquityView,
  GapDetailView,
  GapsView,
  GapView,
  HealthView,
  JobView,
  MarketStateView,
  ModelDetailView,
  ModelEventView,
  ModelView,
  OrderView,
  OverviewView,
  PartView,
  PolicySpec,
  PositionView,
  SeriesView,
  SignalView,
  StatusView,
  SubscriptionsView,
  SubscriptionView,
  TradeView,
  TrainingCheckView,
  TriedView,
  VenueView,
  WeightsView,
} from "./schema.gen";

/** open_time, open, high, low, close, volume. */
export type CandleRow = SeriesView["last"];
/** close_time, equity, cash, exposure, open positions. */
export type EquityRow = EquityView["points"][number];
export type Money = string;

/** A series that has stored candles, with the last of them. */
export type { SeriesView };
/** What a series' id says by itself. */
export type Series = Omit<SeriesView, "last" | "source">;

export type Position = PositionView;
export type Trade = TradeView;
export type Signal = SignalView;
export type Order = OrderView;
export type Weights = WeightsView;
export type Health = HealthView;
export type Overview = OverviewView;
export type Configuration = ConfigurationView;
export type ConfigurationDetail = ConfigurationDetailView;
/** One line of a configuration's history. */
export type ConfigurationEvent = ConfigurationEventView;
/** What the watch found about a model, oldest day first. */
export type Drift = DriftView;
export type DriftDay = DriftDayView;
export type Figures = NonNullable<ConfigurationView["in_sample"]>;
/** `done` of `total` are trials of a search, percent of a validation, steps of a training of policies. */
export type Job = JobView;

/** The fill of an order that was told of before; the stream alone tells of it. */
export interface Fill {
  order_id: string;
  fill_price: Money;
  fee: Money;
  filled_at: number;
}

/** One series that market_ingest is asked to follow. */
export type Subscription = SubscriptionView;
export type Subscriptions = SubscriptionsView;
/** A venue whose live markets can be followed. */
export type Venue = VenueView;
/** What is stored, in short; `version` changes with it. */
export type MarketState = MarketStateView;
/** How much of each series is there, by UTC day; the lists are as long as `days`. */
export type CoverageRow = CoverageRowView;
export type Coverage = CoverageView;
/** One thing that a scan found wrong. */
export type Gap = GapView;
export type Gaps = GapsView;
/** One thing that was tried for a gap. */
export type Tried = TriedView;
export type GapDetail = GapDetailView;
/** One trained model of weights. */
export type Model = ModelView;
export type ModelStage = ModelView["stage"];
export type ModelDetail = ModelDetailView;
/** One line of a model's history. */
export type ModelEvent = ModelEventView;
/** Who decides the weights, who beside, and how often the fallback did. */
export type RlStatus = StatusView;
export type Allocations = AllocationsView;
/** The curves of a training: each seed's, and what they have in common. */
export type Curves = CurvesView;

/** What may be asked of a training; what is left out is the server's. */
export type { PolicySpec };
/** What would come of it. */
export type TrainCheck = TrainingCheckView;
/** Days of a training, ms. */
export type Part = PartView;

/** Changes with models and trainings; the stream alone tells of it. */
export interface ModelsState {
  version: string;
}
