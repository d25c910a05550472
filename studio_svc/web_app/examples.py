"""Examples in the API's document, of every parameter, body and answer, made of their schemas.

What stands in a field is told by its name, so an example has all fields and none that is not there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import uuid5

from contracts.events import NAMESPACE

Schema = Mapping[str, Any]
JSON: Final = "application/json"
_AT: Final = 1_522_584_000_000
"""2018-04-01T12:00Z."""
_DAY: Final = 1_522_540_800_000
_HOUR: Final = 3_600_000
_NAMED: Final[Mapping[str, Sequence[Any]]] = {
    "account": ["main"],
    "action": ["enter_long"],
    "after": ["1522584000000:3166a7b9-1f0c-5d2e-9a44-0c1b8f2ad901"],
    "artifact_sha256": ["5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"],
    "attempts": [1],
    "best_step": [65_536],
    "budget": [1.0],
    "cancel_requested": [False],
    "candles": [4],
    "cash": ["7802.55"],
    "cause": ["outage"],
    "code": ["unknown_strategy"],
    "confidence": [1.0],
    "configuration": ["3166a7b9"],
    "configurations": ["active", 5],
    "cursor": ["1522584000000:3166a7b9-1f0c-5d2e-9a44-0c1b8f2ad901"],
    "days": [[_DAY]],
    "detail": ["unknown strategy 'sma'; known are bollinger_squeeze, donchian_breakout, ..."],
    "done": [120],
    "end": [_AT + 6 * _HOUR],
    "ended": [None],
    "entry_price": ["6815.2"],
    "equity": ["10124.80"],
    "error": [None],
    "exchange": ["bitfinex"],
    "exit_price": ["7020.5"],
    "exit_time": [_AT + 6 * _HOUR],
    "expected": [[48]],
    "exit_reason": ["take_profit"],
    "exposure": ["2322.25"],
    "fallback": [None],
    "fee": ["2.32"],
    "fees": ["4.69"],
    "field": ["strategies[0]"],
    "fill_price": ["6815.2"],
    "fixed": [{"sma_cross": {"stop_atr": 2}}],
    "finished_at": [_AT + _HOUR],
    "former": [None],
    "from_stage": ["VALIDATION", "SHADOW"],
    "gates": [15, [{"name": "holdout", "passed": False}]],
    "gates_passed": [11],
    "in_sample": [{"net_profit_pct": 64.78, "sharpe": 1.97, "trades": 96}],
    "initial_cash": ["10000"],
    "instrument": ["bitfinex:BTC/USD"],
    "instruments": [["bitfinex:BTC/USD", "bitfinex:ETH/USD"]],
    "is_cut": [False],
    "last": [[_AT - _HOUR // 2, 6830.0, 6852.5, 6821.0, 6840.1, 120.5]],
    "last_price": [6840.1],
    "limit_price": ["6810"],
    "max_drawdown_pct": [8.4],
    "method": ["bayesian"],
    "metric": ["validation_excess"],
    "metrics": [["validation_excess", "entropy"]],
    "missing": [[4], []],
    "model_id": [str(uuid5(NAMESPACE, "model_id"))],
    "name": ["kraken", "first"],
    "note": ["4 candles came"],
    "notional": ["2322.25"],
    "objective": ["sharpe"],
    "open_positions": [1],
    "order_type": ["market"],
    "out_of_sample": [{"net_profit_pct": 12.35, "sharpe": 0.46, "trades": 41}],
    "outcome": ["mended"],
    "overrides": [[]],
    "paper_profit": ["212.40"],
    "params": [{"fast": 15, "slow": 60}],
    "passed": [False],
    "points": [500, [[_AT, 10_124.8, 7_802.55, 2_322.25, 1]]],
    "policy": ["inverse_volatility"],
    "portfolio": ["main"],
    "present": [[44]],
    "price": ["7050"],
    "profit": ["65.24"],
    "psi": [{"volatility": 0.08}],
    "quantity": ["0.3407"],
    "reason": ["traded well for a year", "", "signal is stale"],
    "refusals": [[]],
    "reference_price": [6812.4],
    "repaired_by": ["venue"],
    "replaced": [None],
    "request_id": ["9f1c2d3e4a5b6c7d"],
    "retired": [False],
    "revision": [2],
    "rows": [[[_AT - _HOUR // 2, 6830.0, 6852.5, 6821.0, 6840.1, 120.5]]],
    "seed": [1],
    "seeds": [8, [1, 2]],
    "sentence": ["bitfinex:BTC/USD 30m: 4 candles are missing: the venue was down"],
    "series": ["bitfinex:BTC/USD:30m"],
    "service": ["executor_svc"],
    "share": [1.0],
    "side": ["buy", "long"],
    "slippage": [0.0005],
    "source": ["replay"],
    "spec": [{"strategies": ["sma_cross"], "symbols": ["BTC/USD"], "trials": 300}],
    "stage": ["PAPER", "SHADOW"],
    "status": ["open", "FILLED", 409],
    "step": ["venue", [16_384, 32_768]],
    "steps": [1_000_000],
    "stop_price": [6650.0, "6650"],
    "strategies": [["sma_cross"]],
    "strategy": ["sma_cross"],
    "synthetic": [[0]],
    "symbol": ["BTC/USD"],
    "symbols": [["BTC/USD"]],
    "take_profit_price": [7100.0, "7100"],
    "text": ["should be a name without spaces and colons"],
    "timeframe": ["30m"],
    "timeframe_ms": [1_800_000],
    "title": ["Conflict"],
    "to": ["SHADOW"],
    "to_stage": ["PAPER", "ACTIVE"],
    "total": [300],
    "trades": [13],
    "trials": [300],
    "trouble": [None],
    "type": ["about:blank"],
    "unrealised": [3.1],
    "unrealised_pct": [0.13],
    "until": [_AT + 6 * _HOUR],
    "validated_at": [_AT],
    "verdict": ["refused by 2 of 11 gates"],
    "version": ["4f2a"],
    "warnings": [[]],
    "weight": [0.46],
    "weights": [{"bitfinex:BTC/USD": 0.46, "bitfinex:ETH/USD": 0.31}],
    "win_rate": [0.385],
    "zero_volume": [[0]],
}
"""What stands in a field of a name; of several the first that its schema takes."""
_OF_SCHEMA: Final[Mapping[str, Mapping[str, Any]]] = {
    "FallbackView": {"reason": "no_model", "sentence": "no model was active"},
    "HealthView": {"detail": "ready", "up": True, "ready": True},
    "ModelDetailView": {"name": "first"},
    "ModelView": {"name": "first"},
    "JobView": {"kind": "search", "status": "RUNNING", "finished_at": None},
    "OrderRow": {"status": "FILLED", "reason": ""},
    "OrderView": {"status": "FILLED", "reason": ""},
    "PositionView": {"side": "long", "take_profit_price": "7100"},
    "ScanView": {"heard": True, "detail": "market_ingest scans"},
    "SubscriptionView": {"state": "followed"},
    "TargetView": {"price": "7050", "at": _AT + 6 * _HOUR},
    "TradeRow": {"side": "long"},
    "TradeView": {"side": "long"},
}
"""What its name alone does not tell."""
BODIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "JobSpec": {
        "strategies": ["sma_cross"],
        "exchange": "bitfinex",
        "symbols": ["BTC/USD"],
        "timeframe": "30m",
        "method": "bayesian",
        "objective": "calmar",
        "trials": 500,
    },
    "PolicySpec": {"seeds": 8, "steps": 1_000_000, "budget": 1},
    "SeriesName": {"exchange": "kraken", "symbol": "BTC/USD", "timeframe": "5m"},
}
"""Bodies of which most may be left out."""
_SAME: Final = {"configuration": "configuration_id", "edited_from": "former", "shadow": "model_id"}
"""Ids that are called otherwise elsewhere."""
_TIMES: Final = frozenset({"at", "before", "day", "end", "since", "start", "until"})


def with_examples(document: dict[str, Any]) -> dict[str, Any]:
    """Add an example to every parameter, JSON body and JSON answer of a document, and a summary.

    The summary is the first sentence of what the document says of an operation.
    """
    schemas: Mapping[str, Schema] = document["components"]["schemas"]
    for operation in _operations(document):
        operation["summary"] = _summary(operation.get("description", ""))
        for parameter in operation.get("parameters", []):
            parameter["example"] = _value(parameter["schema"], schemas, parameter["name"])
        told = [operation.get("requestBody", {})]
        told += [said for status, said in operation["responses"].items() if status[0] == "2"]
        for content in (one["content"][JSON] for one in told if JSON in one.get("content", {})):
            content["example"] = _value(content["schema"], schemas, "")
    return document


def _operations(document: Schema) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def _summary(description: str) -> str:
    first = " ".join(description.partition("\n\n")[0].split()).removeprefix("Return ").rstrip(".")
    return first[:1].upper() + first[1:]


def _value(schema: Schema, schemas: Mapping[str, Schema], name: str) -> Any:
    """Return what stands in a field of a name."""
    if "$ref" in schema:
        return _object(schema["$ref"].rpartition("/")[2], schemas)
    if "anyOf" in schema:
        if None in _NAMED.get(name, ()):
            return None
        kinds = [one for one in schema["anyOf"] if one.get("type") != "null"]
        given = [one for one in kinds if "$ref" not in one and _told(one, name) is not None]
        return _value((given or kinds)[0], schemas, name)
    told = _told(schema, name)
    return _made(schema, schemas, name) if told is None else told


def _made(schema: Schema, schemas: Mapping[str, Schema], name: str) -> Any:
    """Return what its type alone tells of a field."""
    if schema.get("type") == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})]
        return [_value(one, schemas, name) for one in items]
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return {"test": _value(values, schemas, name)} if isinstance(values, dict) else {}
    return _plain(schema, name)


def _object(name: str, schemas: Mapping[str, Schema]) -> Any:
    if name in BODIES:
        return dict(BODIES[name])
    told = _OF_SCHEMA.get(name, {})
    return {
        field: told[field] if field in told else _value(schema, schemas, field)
        for field, schema in schemas[name]["properties"].items()
    }


def _told(schema: Schema, name: str) -> Any:
    """Return what a name tells of a field, None where nothing fits its schema."""
    return next((one for one in _NAMED.get(name, ()) if _fits(one, schema)), None)


_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def _fits(value: Any, schema: Schema) -> bool:
    kinds = _KINDS.get(schema.get("type", ""), ())
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        return False
    if isinstance(value, list):
        items = schema.get("items", {})
        return "$ref" not in items and all(_fits(one, items) for one in value)
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None and "format" not in schema
    return True


def _plain(schema: Schema, name: str) -> Any:
    if "const" in schema or "enum" in schema:
        return schema.get("const") or schema["enum"][0]
    if schema.get("default") is not None:
        return schema["default"]
    kind = schema.get("type")
    if kind == "string":
        return (
            str(uuid5(NAMESPACE, _SAME.get(name, name))) if schema.get("format") == "uuid" else name
        )
    if kind == "boolean":
        return True
    if kind == "integer":
        is_time = name in _TIMES or name.endswith(("_at", "_time", "_since", "_close"))
        return _AT if is_time else max(1, int(schema.get("minimum", 1)))
    return 0.5 if kind == "number" else {}
