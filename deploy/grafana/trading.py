"""Boards of what is decided: the account, the way of a candle, research, models."""

from deploy.grafana.panels import Board, Panel, one, quantile, quantiles, rate

ACCOUNT = '{account=~"$account"}'
TRADING = Board(
    "trading",
    "Trading",
    (
        Panel(
            "Equity",
            "short",
            (
                ("{{account}}", f"tradepulse_equity{ACCOUNT}"),
                ("{{account}} highest", f"tradepulse_equity_peak{ACCOUNT}"),
            ),
        ),
        one(
            "Drawdown",
            "percentunit",
            "{{account}}",
            f"1 - tradepulse_equity{ACCOUNT} / tradepulse_equity_peak{ACCOUNT}",
        ),
        Panel(
            "Cash and exposure",
            "short",
            (
                ("{{account}} cash", f"tradepulse_cash{ACCOUNT}"),
                ("{{account}} exposure", f"tradepulse_exposure{ACCOUNT}"),
            ),
        ),
        Panel(
            "Profit",
            "short",
            (
                ("{{account}} realised", f"tradepulse_realised_profit{ACCOUNT}"),
                ("{{account}} unrealised", f"tradepulse_unrealised_profit{ACCOUNT}"),
            ),
        ),
        one("Open positions", "short", "{{account}}", f"tradepulse_open_positions{ACCOUNT}"),
        one("Positions", "short", "{{symbol}}", f"tradepulse_position_notional{ACCOUNT}"),
        one("Age of positions", "s", "{{symbol}}", f"tradepulse_position_age_seconds{ACCOUNT}"),
        one(
            "Signals",
            "ops",
            "{{strategy}} {{action}}",
            rate("tradepulse_signals_total", "strategy", "action"),
        ),
        one("Orders", "ops", "{{status}}", rate(f"tradepulse_orders_total{ACCOUNT}", "status")),
        one(
            "Refused orders",
            "ops",
            "{{code}}",
            rate(f"tradepulse_orders_refused_total{ACCOUNT}", "code"),
        ),
        one("Trades", "ops", "{{account}}", rate(f"tradepulse_trades_total{ACCOUNT}", "account")),
        one(
            "Fees each second",
            "short",
            "{{account}}",
            rate(f"tradepulse_fees_total{ACCOUNT}", "account"),
        ),
        Panel("Slippage", "percentunit", quantiles("tradepulse_slippage_ratio", "")),
        one("Weights", "percentunit", "{{instrument}}", "tradepulse_weight"),
        one("Age of the weights", "s", "{{portfolio}}", "tradepulse_weights_age_seconds"),
        one(
            "Ledger imbalance (must be 0)",
            "short",
            "{{account}}",
            f"tradepulse_ledger_imbalance{ACCOUNT}",
        ),
    ),
    (("account", "label_values(tradepulse_equity, account)"),),
)

TO_ORDER = "tradepulse_close_to_order_seconds"
PATH = Board(
    "path",
    "Path of a candle",
    (
        one(
            "From the last candle of a close, median",
            "s",
            "{{step}}",
            quantile(0.5, TO_ORDER, "step"),
        ),
        one(
            "From the last candle of a close, 99 %",
            "s",
            "{{step}}",
            quantile(0.99, TO_ORDER, "step"),
        ),
        one(
            "From the last candle to the published order",
            "s",
            "{{le}}",
            rate(f'{TO_ORDER}_bucket{{step="published"}}', "le"),
            "heatmap",
        ),
        one(
            "Closes settled",
            "ops",
            "closes",
            rate("tradepulse_closes_settled_total"),
        ),
        one(
            "Waits for the next close",
            "s",
            "{{job}}",
            "max by (job) (tradepulse_closes_waiting_seconds)",
        ),
        one("Closes gathered, not settled", "short", "closes", "sum(tradepulse_closes_ahead)"),
        one(
            "Age of messages when handled, 99 %",
            "s",
            "{{job}} {{topic}}",
            quantile(0.99, "tradepulse_message_age_seconds", "job", "topic"),
        ),
        one(
            "Handling a batch, 99 %",
            "s",
            "{{job}} {{topic}}",
            quantile(0.99, "tradepulse_handle_seconds", "job", "topic"),
        ),
        Panel(
            "Missing and late",
            "ops",
            (
                ("{{job}} missing", rate("tradepulse_missing_total", "job")),
                ("late", rate("tradepulse_late_total")),
            ),
        ),
        Panel("Storing a batch of closes", "s", quantiles("tradepulse_settle_seconds", "")),
    ),
)

RESEARCH = Board(
    "research",
    "Research",
    (
        one("Jobs that wait", "short", "{{kind}}", "max by (kind) (tradepulse_jobs_waiting)"),
        one("Oldest of them", "s", "{{kind}}", "max by (kind) (tradepulse_job_oldest_seconds)"),
        one("Progress", "percentunit", "{{kind}}", "max by (kind) (tradepulse_job_progress_ratio)"),
        one("Trials", "ops", "trials", rate("tradepulse_trials_total")),
        one(
            "Jobs ended in an hour",
            "short",
            "{{kind}} {{end}}",
            "sum by (kind, end) (increase(tradepulse_jobs_total[1h]))",
        ),
        one("Configurations", "short", "{{stage}}", "max by (stage) (tradepulse_configurations)"),
        one(
            "Transitions in an hour",
            "short",
            "to {{stage}}",
            "sum by (stage) (increase(tradepulse_transitions_total[1h]))",
        ),
        Panel(
            "Active configurations",
            "short",
            (
                ("known to {{instance}}", "tradepulse_active_configurations"),
                ("stored", "max(tradepulse_configurations_active_stored)"),
            ),
        ),
    ),
)

RL = Board(
    "rl",
    "Reinforcement learning",
    (
        one("Weights decided", "ops", "vectors", rate("tradepulse_weights_decided_total")),
        Panel("A decision", "s", quantiles("tradepulse_rl_inference_seconds", "")),
        one("Age of the model", "s", "{{portfolio}}", "tradepulse_rl_model_age_seconds"),
        Panel(
            "Fallback",
            "short",
            (
                ("{{portfolio}} now", "tradepulse_rl_fallback"),
                (
                    "{{reason}} in an hour",
                    "sum by (reason) (increase(tradepulse_policy_fallback_total[1h]))",
                ),
            ),
        ),
        one(
            "Figures beyond their bound",
            "ops",
            "{{portfolio}}",
            rate("tradepulse_rl_observation_clipped_total", "portfolio"),
        ),
        Panel("Turnover", "percentunit", quantiles("tradepulse_weights_turnover_ratio", "")),
        Panel(
            "Drift",
            "short",
            (
                ("{{stage}} evidence of harm", "max by (stage) (tradepulse_policy_drift_evidence)"),
                ("{{stage}} stability index", "max by (stage) (tradepulse_policy_drift_psi)"),
            ),
        ),
        one(
            "Training: steps",
            "ops",
            "{{kind}} {{slot}}",
            rate("tradepulse_rl_steps_total", "kind", "slot"),
        ),
        one("Training: reward", "short", "{{kind}} {{slot}}", "tradepulse_rl_reward"),
        one("Training: entropy", "short", "{{kind}} {{slot}}", "tradepulse_rl_entropy"),
        one("Training: KL", "short", "{{kind}} {{slot}}", "tradepulse_rl_kl"),
        one(
            "Training: growth over equal weights in validation",
            "short",
            "{{kind}} {{slot}}",
            "tradepulse_rl_eval_excess",
        ),
    ),
)
