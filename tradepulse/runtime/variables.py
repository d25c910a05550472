"""The names of all settings, and what of the environment looks like one and is none.

A variable that nobody reads is no error for pydantic: with `FEES=0.002` an account would go on by
another fee, and nobody would say so.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches

_NAMES = """
ACCOUNT BROKER_PATIENCE_S BUDGET CANDLE_GRACE_MS CHECK_DELAY_S CLOCK CLOCK_TOLERANCE_S
DASK_SCHEDULER DATABASE_PASSWORD_FILE DATABASE_URL FALSE_ALARM_RATE FEE FEED FEED_MODE
FETCH_MISSING FIXED_WEIGHTS FORWARDED_ALLOW_IPS GRACE_MS HEARTBEAT_S HTTP_HOST HTTP_PORT IMPACT
INITIAL_CASH KAFKA_ACLS KAFKA_BOOTSTRAP_SERVERS KAFKA_CA_FILE KAFKA_PASSWORD_FILE
KAFKA_REPLICATION_FACTOR KAFKA_SASL_MECHANISM KAFKA_SECURITY_PROTOCOL KAFKA_USERNAME LIFECYCLE_S
LOG_FORMAT LOG_LEVEL LOOP_PATIENCE_S MAKER_FEE MARKETS MAX_OPEN_POSITIONS MAX_SYMBOL_NOTIONAL
MAX_TOTAL_NOTIONAL MAX_WEIGHT_AGE_S OPTIMIZER_WORKERS OTEL_EXPORTER_OTLP_ENDPOINT POLICY
POLICY_LOOKBACK PORTFOLIO REFERENCE_GRACE_MS REPLAY_FILE REPLAY_FROM REPLAY_SPEED REPLAY_SYMBOLS
REPLAY_TO RISK_PER_TRADE SCAN_EVERY_S SETUP_ACCEPT_RULES SETUP_PATIENCE_S SLIPPAGE STALL_AFTER_S
STRATEGY_FILES STUDIO_SERVICES STUDIO_TOKEN_FILE TRADEPULSE_COMMIT TRAINER_FOLDER
TRAINER_PROCESSES TRIAL_LIMIT_S VENUES_FILE
"""
OURS = frozenset(_NAMES.split())
"""Of every service, whichever reads them; a test holds that they are all."""
_NEAR = 0.84
"""`FEES` is that near to `FEE`; `HTTP_PROXY` is not to `HTTP_PORT`."""
_OTHERS = re.compile(r"OTEL_.*|.*_SERVICE_(HOST|PORT)(_.*)?")
"""Names that OpenTelemetry reads, and those that Kubernetes gives every container."""


def unread(environment: Iterable[str]) -> list[str]:
    """Say in one line each which variables look like settings of ours and are none.

    Args:
        environment: names of variables.
    """
    lines = []
    for name in sorted(environment):
        if name.upper() in OURS or _OTHERS.fullmatch(name):
            continue
        if near := get_close_matches(name.upper(), OURS, n=1, cutoff=_NEAR):
            lines.append(f"{name} is no setting and nothing reads it; did you mean {near[0]}?")
    return lines
