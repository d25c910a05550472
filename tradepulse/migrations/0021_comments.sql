-- What every table and every column means, as `tradepulse db schema` and docs/reference/database.md tell it. A new table
-- and a new column bring their own along.

comment on table migrations is 'Migrations that were applied. The services refuse to start where one is missing.';
comment on column migrations.name is 'File of tradepulse/migrations';
comment on column migrations.applied_at is 'When';

comment on table candle_series is 'A number for each series of candles, which candles are kept by.';
comment on column candle_series.series is 'Number of the series';
comment on column candle_series.exchange is 'Venue, as kraken';
comment on column candle_series.symbol is 'Instrument, BASE/QUOTE, as BTC/USD';
comment on column candle_series.timeframe is 'Length of a candle, as 30m, 1h, 1d';

comment on table candles is 'All candles, of whatever origin; every figure of the system comes of them. No row: no candle is known of that time.';
comment on column candles.open_time is 'Begin of the candle, epoch milliseconds, UTC';
comment on column candles.open is 'First price, quote currency';
comment on column candles.high is 'Highest price, quote currency';
comment on column candles.low is 'Lowest price, quote currency';
comment on column candles.close is 'Last price, quote currency';
comment on column candles.volume is 'What was traded, base currency';
comment on column candles.series is 'Series of the candle, see candle_series; no foreign key, for speed';
comment on column candles.source is 'Where it came from: live, backfill, replay, import (a file), repaired (built of trades or finer candles), synthetic (made up: the last close, no volume)';

comment on table venue_answers is 'Open times for which a venue has answered, whether it had a candle or not: nobody asks for them again.';
comment on column venue_answers.exchange is 'Venue';
comment on column venue_answers.symbol is 'Instrument, BASE/QUOTE';
comment on column venue_answers.timeframe is 'Length of a candle';
comment on column venue_answers.asked is 'Ranges of open times, epoch milliseconds, their ends not included';

comment on table venue_pace is 'When each venue may be asked again, for all processes together.';
comment on column venue_pace.venue is 'Venue';
comment on column venue_pace.next_at is 'Time of the next request';
comment on column venue_pace.held_until is 'Not before this: the venue said that it is asked too much; the epoch where it did not';

comment on table subscriptions is 'Series that are followed live. Written by the page and the command line, followed by market_ingest.';
comment on column subscriptions.exchange is 'Venue';
comment on column subscriptions.symbol is 'Instrument, BASE/QUOTE';
comment on column subscriptions.timeframe is 'Length of a candle';
comment on column subscriptions.trouble is 'Why it is not followed now; null where all is well';
comment on column subscriptions.created_at is 'When it was subscribed';

comment on table feeds is 'How far each feed has come: one row for a replay, one for each series followed live.';
comment on column feeds.feed is 'Name of the feed';
comment on column feeds.spec is 'What it feeds: kind (replay or live), series, range; as it was begun';
comment on column feeds.published_until is 'What closed at or before this is in Kafka, epoch milliseconds';
comment on column feeds.finished is 'Whether it has ended';
comment on column feeds.updated_at is 'Last change';
comment on column feeds.again_from is 'Of a live feed: stored candles from this close time, epoch milliseconds, up to published_until are to be published again; null for none';

comment on table data_gaps is 'What is wrong with stored candles: a row for each hole, or run of candles of another kind.';
comment on column data_gaps.gap_id is 'Number of the finding';
comment on column data_gaps.exchange is 'Venue';
comment on column data_gaps.symbol is 'Instrument, BASE/QUOTE';
comment on column data_gaps.timeframe is 'Length of a candle';
comment on column data_gaps.kind is 'hole, bad_time, off_grid, duplicate, unsorted, unfinished, zero_volume or impossible';
comment on column data_gaps.first_open_time is 'First candle concerned, open time, epoch milliseconds';
comment on column data_gaps.last_open_time is 'Last candle concerned, open time, epoch milliseconds';
comment on column data_gaps.candles is 'How many candles are concerned';
comment on column data_gaps.cause is 'Why: outage (of the venue), no_trade, missed (by us), off_grid, unknown; null where it was not asked';
comment on column data_gaps.sure is 'Whether the cause is certain';
comment on column data_gaps.sentence is 'The finding in words';
comment on column data_gaps.status is 'open; repaired; filled (with synthetic candles); unrepairable (asked about no more); gone (mended by others than the repairs)';
comment on column data_gaps.detected_at is 'When it was found';
comment on column data_gaps.settled_at is 'When it was settled; null while it stands';
comment on column data_gaps.repaired_by is 'What mended it; null where nothing did';
comment on column data_gaps.attempts is 'Times that the venue answered and did not give it';
comment on column data_gaps.postponed is 'Times that nobody could be asked';
comment on column data_gaps.next_try_at is 'Not tried before this market time, epoch milliseconds';

comment on table gap_repairs is 'What was tried for a gap, step by step.';
comment on column gap_repairs.repair_id is 'Number of the try';
comment on column gap_repairs.gap_id is 'The gap';
comment on column gap_repairs.at is 'When it was tried';
comment on column gap_repairs.step is 'venue (asked again), finer (built of shorter candles), trades (built of trades), synthetic, none';
comment on column gap_repairs.timeframe is 'Of the candles that were read';
comment on column gap_repairs.candles is 'How many were stored by it';
comment on column gap_repairs.outcome is 'mended, part, nothing, refused or down (the venue did not answer)';
comment on column gap_repairs.note is 'The outcome in words';

comment on table instrument_rules is 'What venues accept as orders. Rows are only added: the newest that is not in the future binds.';
comment on column instrument_rules.exchange is 'Venue';
comment on column instrument_rules.symbol is 'Instrument, BASE/QUOTE';
comment on column instrument_rules.valid_from is 'Since when it holds';
comment on column instrument_rules.source is 'ccxt (asked of the venue), file or hand';
comment on column instrument_rules.price_tick is 'Prices are multiples of it, quote currency; null where it is not known';
comment on column instrument_rules.quantity_step is 'Quantities are multiples of it, base currency; null where it is not known';
comment on column instrument_rules.min_quantity is 'Smallest order, base currency';
comment on column instrument_rules.min_notional is 'Smallest order, quote currency';

comment on table training_jobs is 'The queue of searches, validations and trainings of policies, and what became of each.';
comment on column training_jobs.job_id is 'Id of the job';
comment on column training_jobs.spec is 'What was asked for';
comment on column training_jobs.status is 'QUEUED, RUNNING, SUCCEEDED, FAILED or CANCELLED';
comment on column training_jobs.done is 'What is done of it: trials of a search, steps of a training, hundredths of a validation';
comment on column training_jobs.total is 'Steps in all; 0 while it is not known';
comment on column training_jobs.cancel_requested is 'Whether somebody has asked to end it';
comment on column training_jobs.worker is 'Process that works on it, or did last';
comment on column training_jobs.heartbeat_at is 'Last sign of life of that process';
comment on column training_jobs.error is 'Why it failed';
comment on column training_jobs.result is 'What it led to, and the ranges of candles that it used';
comment on column training_jobs.created_at is 'When it was queued';
comment on column training_jobs.started_at is 'When work on it began';
comment on column training_jobs.finished_at is 'When it ended';
comment on column training_jobs.kind is 'search, validation or policy (a training)';
comment on column training_jobs.attempts is 'Times it was taken up since the last sign of progress';

comment on table training_searches is 'One strategy on one series within a search job.';
comment on column training_searches.job_id is 'The job';
comment on column training_searches.search is 'Number of the search within the job, from 0';
comment on column training_searches.strategy is 'Name of the strategy';
comment on column training_searches.exchange is 'Venue';
comment on column training_searches.symbol is 'Instrument, BASE/QUOTE';
comment on column training_searches.timeframe is 'Length of a candle';
comment on column training_searches.params is 'Names of the parameters: columns of training_batches.params';
comment on column training_searches.figures is 'Names of the figures: columns of training_batches.figures';
comment on column training_searches.done is 'Trials that are stored';
comment on column training_searches.luck is 'Largest t value of its trials in each draw of its days without any edge: what luck alone could have found';
comment on column training_searches.luck_trials is 'How many of its trials luck covers';

comment on table training_batches is 'Trials of a search, many in a row. Removed 90 days after a job whose configurations are all retired; their number stays in training_searches.';
comment on column training_batches.job_id is 'The job';
comment on column training_batches.search is 'Number of the search within the job';
comment on column training_batches.batch is 'Number of the batch, from 0';
comment on column training_batches.params is 'One row for each trial, one column for each parameter';
comment on column training_batches.figures is 'One row for each trial, one column for each figure; NaN where it is not defined';

comment on table trained_configurations is 'A strategy with its parameters on one series: what trades, what did, and what might.';
comment on column trained_configurations.configuration_id is 'Id of the configuration';
comment on column trained_configurations.revision is 'Raised by each change';
comment on column trained_configurations.job_id is 'Search that found it; null where a person made it';
comment on column trained_configurations.strategy is 'Name of the strategy';
comment on column trained_configurations.exchange is 'Venue';
comment on column trained_configurations.symbol is 'Instrument, BASE/QUOTE';
comment on column trained_configurations.timeframe is 'Length of a candle';
comment on column trained_configurations.params is 'Value of each parameter by name';
comment on column trained_configurations.share is 'Part of its instrument''s weight that an entry of it may use, 0 to 1';
comment on column trained_configurations.stage is 'DISCOVERY, VALIDATION, PAPER, MATURE or DECAY';
comment on column trained_configurations.is_active is 'Whether it enters positions';
comment on column trained_configurations.metrics is 'Figures in and out of sample, their ranges, and how it was searched';
comment on column trained_configurations.created_at is 'When it was made';
comment on column trained_configurations.updated_at is 'Last change';
comment on column trained_configurations.retired is 'Out of service for good; its stage is DECAY';
comment on column trained_configurations.revalidated is 'Whether it was validated again once after it decayed';
comment on column trained_configurations.has_traded is 'Whether it was active at some time, so that it may hold a position whatever its stage is now';
comment on column trained_configurations.edited_from is 'Configuration that it was made of by an edit; null for none';
comment on column trained_configurations.reference_returns is 'Return of each trade of its backtest, as a fraction, which live trades are compared with';
comment on column trained_configurations.reference_source is 'Which trades those are';
comment on column trained_configurations.judged_after is 'Trades that left by then are not its live results, event time; null: all are';
comment on column trained_configurations.fill_gaps is 'Whether its series is filled with synthetic candles where nothing else helps';

comment on table configuration_events is 'History of the configurations: each change, and each verdict that changed nothing.';
comment on column configuration_events.id is 'Number of the event';
comment on column configuration_events.configuration_id is 'The configuration';
comment on column configuration_events.at is 'When';
comment on column configuration_events.from_stage is 'Stage before; null where it was made';
comment on column configuration_events.to_stage is 'Stage after';
comment on column configuration_events.is_active is 'Whether it enters positions after it';
comment on column configuration_events.reason is 'Why';
comment on column configuration_events.evidence is 'What the reason rests on';
comment on column configuration_events.by_person is 'Whether a person did it; else a rule';

comment on table validation_reports is 'What the gates said of a configuration, one row for each validation.';
comment on column validation_reports.report_id is 'Number of the report';
comment on column validation_reports.configuration_id is 'The configuration';
comment on column validation_reports.job_id is 'The validation';
comment on column validation_reports.created_at is 'When';
comment on column validation_reports.passed is 'Whether every gate was passed';
comment on column validation_reports.report is 'All of it: the gates with their figures, the data, the curves';
comment on column validation_reports.gates is 'How many gates there were';
comment on column validation_reports.gates_passed is 'How many were passed';

comment on table signals is 'What the active configurations said at closes: entries, exits, moved stops. Kept for 400 days.';
comment on column signals.signal_id is 'Id, derived from configuration and candle';
comment on column signals.configuration_id is 'Whose it is';
comment on column signals.strategy is 'Name of the strategy';
comment on column signals.exchange is 'Venue';
comment on column signals.symbol is 'Instrument, BASE/QUOTE';
comment on column signals.timeframe is 'Length of a candle';
comment on column signals.action is 'enter_long, enter_short, exit or move_stop';
comment on column signals.reference_price is 'Close of the candle, quote currency';
comment on column signals.stop_price is 'First stop of an entry, or where move_stop moves it, quote currency; null for none';
comment on column signals.take_profit_price is 'Target of an entry, quote currency; null for none';
comment on column signals.confidence is 'How sure the strategy is, 0 to 1; the size of an entry goes with it';
comment on column signals.decided_at is 'Close of the candle, event time';
comment on column signals.limit_price is 'Entry by a limit order at this price, quote currency; null: at market';
comment on column signals.trail is 'Distance in price at which the stop follows, quote currency; null: it stays';
comment on column signals.max_holding_ms is 'How long the position may be held, milliseconds; null: for any time';
comment on column signals.targets is 'Targets that fall with time: [[minutes since the entry, price], ...]; null for none';
comment on column signals.cooldown_ms is 'After a stop the configuration does not enter for so long, milliseconds; null for none';

comment on table portfolio_weights is 'Each weight vector of a portfolio; it binds from the next close on.';
comment on column portfolio_weights.portfolio is 'Name of the portfolio';
comment on column portfolio_weights.close_time is 'Close at which it was decided, event time';
comment on column portfolio_weights.policy is 'Policy that decided';
comment on column portfolio_weights.weights is 'Weight by instrument (exchange:symbol), each 0 to 1';
comment on column portfolio_weights.missing is 'Instruments that had no candle at this close, or that the model does not know';
comment on column portfolio_weights.budget is 'What the weights sum to at most';
comment on column portfolio_weights.model_id is 'Trained model that the portfolio follows; null for none';
comment on column portfolio_weights.fallback is 'Why that model did not decide, but policy did; null where it did';

comment on table shadow_weights is 'What models on trial (SHADOW) would have decided; never published, nothing follows it.';
comment on column shadow_weights.portfolio is 'Name of the portfolio';
comment on column shadow_weights.close_time is 'Close at which it was decided, event time';
comment on column shadow_weights.model_id is 'The model';
comment on column shadow_weights.policy is 'Policy that decided';
comment on column shadow_weights.weights is 'Weight by instrument (exchange:symbol), each 0 to 1';
comment on column shadow_weights.missing is 'Instruments that had no candle at this close, or that the model does not know';
comment on column shadow_weights.budget is 'What the weights sum to at most';
comment on column shadow_weights.fallback is 'Why the model did not decide; null where it did';

comment on table event_time_positions is 'Where each consumer that decides in event time stands. Written with what it decided, so that a restart goes on exactly there.';
comment on column event_time_positions.consumer is 'Name, as executor:main';
comment on column event_time_positions.epoch is 'Raised by each process that takes over; shuts out the one before';
comment on column event_time_positions.settled_time is 'Last close that is settled, epoch milliseconds; 0 for none';
comment on column event_time_positions.offsets is 'Next offset by topic/partition';
comment on column event_time_positions.state is 'What else it must know after a restart';

comment on table leases is 'Which process works for a consumer, and until when that counts without being renewed.';
comment on column leases.consumer is 'Name, as executor:main';
comment on column leases.holder is 'Session of the process';
comment on column leases.until is 'When it ends';

comment on table accounts is 'Paper accounts.';
comment on column accounts.account is 'Name of the account';
comment on column accounts.initial_cash is 'What it began with, quote currency';
comment on column accounts.cash is 'What is not in positions, quote currency; below zero where it has borrowed';
comment on column accounts.created_at is 'When it was opened';

comment on table orders is 'Every order that was decided, refused ones too.';
comment on column orders.order_id is 'Id, derived from the signal or from the position that it protects';
comment on column orders.account is 'Account';
comment on column orders.signal_id is 'Signal that led to it; null for stops, targets, the end of time and the end of data';
comment on column orders.configuration_id is 'Whose it is';
comment on column orders.exchange is 'Venue';
comment on column orders.symbol is 'Instrument, BASE/QUOTE';
comment on column orders.timeframe is 'Length of a candle';
comment on column orders.side is 'buy or sell';
comment on column orders.order_type is 'market, stop, take_profit or limit';
comment on column orders.quantity is 'Base currency; 0 where it is not known: of an entry at market until its fill, and of a refused one';
comment on column orders.reference_price is 'Close at which it was decided, quote currency';
comment on column orders.stop_price is 'Of an entry: stop of the position to be, quote currency';
comment on column orders.take_profit_price is 'Of an entry: target of the position to be, quote currency';
comment on column orders.opens_position is 'true: an entry; false: an exit';
comment on column orders.exit_reason is 'Of an exit: signal, stop, take_profit, time, end_of_data or liquidation';
comment on column orders.status is 'OPEN (waits for its fill), FILLED, REFUSED or EXPIRED (a limit that found no fill)';
comment on column orders.reason is 'Why it was refused or expired; empty otherwise';
comment on column orders.decided_at is 'Close at which it was decided, event time';
comment on column orders.limit_price is 'Of an entry by a limit order: its price, quote currency';
comment on column orders.trail is 'Of an entry: distance at which the stop follows, quote currency';
comment on column orders.max_holding_ms is 'Of an entry: how long the position may be held, milliseconds';
comment on column orders.notional is 'Of an entry: what it may spend, slippage and fee included, quote currency; null for exits';
comment on column orders.targets is 'Of an entry: targets that fall with time, [[minutes since the entry, "price"], ...]; null for none';

comment on table fills is 'The fill of each filled order; orders on paper fill whole.';
comment on column fills.fill_id is 'Id, derived from the order';
comment on column fills.order_id is 'The order';
comment on column fills.quantity is 'Base currency';
comment on column fills.price is 'Price, slippage included, quote currency';
comment on column fills.fee is 'Fee, quote currency';
comment on column fills.filled_at is 'Event time: open of the candle for an order that waited for it, close of the candle for a stop, a target or a limit';

comment on table positions is 'Positions: those that are held (exit_time is null), and each trade that was made.';
comment on column positions.position_id is 'Id, derived from the entry''s order';
comment on column positions.account is 'Account';
comment on column positions.configuration_id is 'Whose it is';
comment on column positions.exchange is 'Venue';
comment on column positions.symbol is 'Instrument, BASE/QUOTE';
comment on column positions.timeframe is 'Length of a candle';
comment on column positions.side is 'long or short';
comment on column positions.quantity is 'Base currency';
comment on column positions.entry_time is 'Open of the candle that filled the entry, event time';
comment on column positions.entry_price is 'Price of the entry, slippage included, quote currency';
comment on column positions.stop_price is 'Where the stop stands, quote currency; null for none';
comment on column positions.take_profit_price is 'Target, quote currency; null for none';
comment on column positions.exit_time is 'When it was left, event time; null while it is held';
comment on column positions.exit_price is 'Price of the exit, slippage included, quote currency';
comment on column positions.exit_reason is 'signal, stop, take_profit, time, end_of_data or liquidation';
comment on column positions.fees is 'Fees so far, those of the entry included, quote currency';
comment on column positions.profit is 'After fees, quote currency; null while it is held';
comment on column positions.trail is 'Distance at which the stop follows, quote currency; null: it stays';
comment on column positions.exit_at is 'It is left at the first close at or after this, event time; null: no such time';
comment on column positions.targets is 'Targets that fall with time, [[minutes since the entry, "price"], ...]; null for none';

comment on table equity is 'The account at each settled close. After 90 days the last, the lowest and the highest of each hour are kept.';
comment on column equity.account is 'Account';
comment on column equity.close_time is 'The close, event time';
comment on column equity.cash is 'What is not in positions, quote currency';
comment on column equity.equity is 'Cash and positions, marked at the last closes, quote currency';
comment on column equity.exposure is 'Sum of the positions without their signs, at the last closes, quote currency';
comment on column equity.open_positions is 'How many positions are held';

comment on table outbox is 'Events that wait to be published, written with the rows that they tell of; removed once they are in Kafka.';
comment on column outbox.id is 'Number, in the order of publishing';
comment on column outbox.service is 'Who publishes it';
comment on column outbox.topic is 'Topic of Kafka';
comment on column outbox.key is 'Key of the message';
comment on column outbox.value is 'The message, JSON';
comment on column outbox.created_at is 'When it was written';

comment on table outbox_refused is 'Events that are too large for one message of Kafka: taken out of the outbox so that the rest goes on.';
comment on column outbox_refused.id is 'Number that it had in the outbox';
comment on column outbox_refused.service is 'Whose it was';
comment on column outbox_refused.topic is 'Topic of Kafka';
comment on column outbox_refused.key is 'Key of the message';
comment on column outbox_refused.value is 'The message, JSON';
comment on column outbox_refused.reason is 'Why it was refused';
comment on column outbox_refused.refused_at is 'When';

comment on table kafka_clusters is 'Which Kafka each service works with: in another one its places mean nothing.';
comment on column kafka_clusters.service is 'Name of the service';
comment on column kafka_clusters.cluster is 'Id of the cluster';

comment on table group_positions is 'How far the work of each consumer group is in this database; used after a restore.';
comment on column group_positions.consumer_group is 'Name of the group';
comment on column group_positions.topic is 'Topic of Kafka';
comment on column group_positions.partition is 'Partition of the topic';
comment on column group_positions.next_offset is 'Offset of the next message';

comment on table backups is 'The last backup of each kind, and the last drill that restored one.';
comment on column backups.kind is 'portable, physical or drill';
comment on column backups.ended_at is 'When it ended';
comment on column backups.name is 'Name of the backup; of a drill, of the one that was restored';
comment on column backups.bytes is 'Its size, bytes';

comment on table rl_trainings is 'What a training of a policy began with, and what it needs to be taken up again.';
comment on column rl_trainings.job_id is 'The training';
comment on column rl_trainings.asked is 'As it was asked for, before the range and the configurations were resolved';
comment on column rl_trainings.configurations is 'Id, revision, strategy, series, parameters and share of each configuration, and the days by which it was chosen';
comment on column rl_trainings.markets is 'Rules of the venues by instrument; null before the first trainer began';
comment on column rl_trainings.checkpoints is 'SHA-256 of the last checkpoint of each seed';
comment on column rl_trainings.spent_s is 'Seconds that trainers have worked on it';

comment on table rl_training_points is 'Curves of a training.';
comment on column rl_training_points.job_id is 'The training';
comment on column rl_training_points.seed is 'Seed';
comment on column rl_training_points.step is 'Steps of the environment by then';
comment on column rl_training_points.metrics is 'Figures by name at this step';

comment on table rl_trainers is 'Trainers that are there.';
comment on column rl_trainers.worker is 'Name of the process';
comment on column rl_trainers.seen_at is 'Last sign of life';
comment on column rl_trainers.at_once is 'Seeds that it trains side by side';
comment on column rl_trainers.free_bytes is 'Bytes that the folder of its checkpoints has left';

comment on table rl_looks is 'Each policy that was ever judged, and on which closes: one look at a test range is one try.';
comment on column rl_looks.job_id is 'The training';
comment on column rl_looks.at is 'When';
comment on column rl_looks.portfolio is 'Name of the portfolio';
comment on column rl_looks.timeframe is 'Length of a candle';
comment on column rl_looks.instruments is 'Instruments (exchange:symbol)';
comment on column rl_looks.test_start is 'Closes after this, event time';
comment on column rl_looks.test_end is 'Closes up to this, event time';

comment on table rl_models is 'Trained policies: what each came of, what the gates said, its file.';
comment on column rl_models.model_id is 'Id, derived from the checksum of the model';
comment on column rl_models.portfolio is 'Portfolio that it was made for';
comment on column rl_models.job_id is 'Its training; null where it was imported';
comment on column rl_models.created_at is 'When it was stored';
comment on column rl_models.name is 'For people';
comment on column rl_models.stage is 'CANDIDATE, REFUSED, SHADOW, ACTIVE or RETIRED';
comment on column rl_models.stage_since is 'Since when';
comment on column rl_models.overrides is 'What a person set aside to bring it where it is, each with the reason';
comment on column rl_models.timeframe is 'Length of a candle';
comment on column rl_models.instruments is 'Instruments (exchange:symbol) that it knows';
comment on column rl_models.mode is 'signals (sizes entries) or rebalance (always invested)';
comment on column rl_models.config is 'What the training was asked for';
comment on column rl_models.config_sha256 is 'SHA-256 of config';
comment on column rl_models.configurations is 'Id, revision and parameters of each configuration whose trades it was trained on';
comment on column rl_models.data is 'Of each split: series, first and last candle, rows, checksum; SHA-256 of all of it';
comment on column rl_models.seeds is 'Seeds of the training';
comment on column rl_models.steps is 'Steps of the training, each seed';
comment on column rl_models.metrics is 'Figures of each split';
comment on column rl_models.baselines is 'The same of what it was compared with';
comment on column rl_models.gates is 'What each gate said';
comment on column rl_models.report is 'All that the evaluation found';
comment on column rl_models.passed is 'Whether every gate was passed; null: none was asked';
comment on column rl_models.artifact is 'The model''s file';
comment on column rl_models.artifact_sha256 is 'SHA-256 of artifact';
comment on column rl_models.manifest is 'What the file says of itself';

comment on table rl_model_events is 'History of the models.';
comment on column rl_model_events.id is 'Number of the event';
comment on column rl_model_events.model_id is 'The model';
comment on column rl_model_events.at is 'When';
comment on column rl_model_events.from_stage is 'Stage before; null where it was added';
comment on column rl_model_events.to_stage is 'Stage after';
comment on column rl_model_events.reason is 'Why';
comment on column rl_model_events.by_person is 'Whether a person did it; else a rule';
comment on column rl_model_events.evidence is 'What the reason rests on';

comment on table rl_model_days is 'What the drift watch found about each model in service, by day.';
comment on column rl_model_days.model_id is 'The model';
comment on column rl_model_days.day is 'Midnight that begins the day, UTC, event time';
comment on column rl_model_days.begun is 'Number of the event (rl_model_events) by which the model came into service';
comment on column rl_model_days.closes is 'Closes that it decided';
comment on column rl_model_days.clipped is 'Part of the figures it saw that lay outside those of its training, 0 to 1; null: none was seen';
comment on column rl_model_days.counts is 'Of each figure, how many lay in each bin of its training';
comment on column rl_model_days.psi is 'Population stability index of each figure over the last days; empty before there are enough';
comment on column rl_model_days.growth is 'Log growth of its virtual account; null: nothing could be traded';
comment on column rl_model_days.equal is 'The same under equal weights';
comment on column rl_model_days.evidence is 'Evidence that the model does harm, grown day by day';
comment on column rl_model_days.bound is 'Evidence at which the model is retired';

comment on view pattern_training_results is 'What each training of a policy led to: rl_models without the model itself.';
comment on column pattern_training_results.model_id is 'As in rl_models';
comment on column pattern_training_results.portfolio is 'As in rl_models';
comment on column pattern_training_results.job_id is 'As in rl_models';
comment on column pattern_training_results.created_at is 'As in rl_models';
comment on column pattern_training_results.name is 'As in rl_models';
comment on column pattern_training_results.stage is 'As in rl_models';
comment on column pattern_training_results.timeframe is 'As in rl_models';
comment on column pattern_training_results.instruments is 'As in rl_models';
comment on column pattern_training_results.mode is 'As in rl_models';
comment on column pattern_training_results.seeds is 'As in rl_models';
comment on column pattern_training_results.steps is 'As in rl_models';
comment on column pattern_training_results.configurations is 'As in rl_models';
comment on column pattern_training_results.data is 'As in rl_models';
comment on column pattern_training_results.metrics is 'As in rl_models';
comment on column pattern_training_results.baselines is 'As in rl_models';
comment on column pattern_training_results.gates is 'As in rl_models';
comment on column pattern_training_results.passed is 'As in rl_models';

comment on view market_data is 'Candles with the names of their series: what to ask for by hand. The function candles_of(exchange, symbol, timeframe) is one series of it, fast where it is ordered by time.';
comment on column market_data.exchange is 'Venue';
comment on column market_data.symbol is 'Instrument, BASE/QUOTE';
comment on column market_data.timeframe is 'Length of a candle';
comment on column market_data.open_time is 'Begin of the candle, epoch milliseconds, UTC';
comment on column market_data.open is 'First price, quote currency';
comment on column market_data.high is 'Highest price, quote currency';
comment on column market_data.low is 'Lowest price, quote currency';
comment on column market_data.close is 'Last price, quote currency';
comment on column market_data.volume is 'What was traded, base currency';
comment on column market_data.source is 'live, backfill, replay, import, repaired or synthetic';

comment on function candles_of(text, text, text) is
    'One series of market_data by exchange, symbol and timeframe, fast where it is ordered by time';
