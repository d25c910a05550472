"""A running system over its API: its ledger as frames, its configurations, its jobs."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
import polars as pl

from tradepulse.candles.times import Time, time_ms
from tradepulse.embedded.addresses import STATE, NoSystemError, page_address
from tradepulse.ledger.frames import exact_frame, shown_frame
from tradepulse.ledger.tables import TABLES
from tradepulse.runtime.refusals import NotFoundError, RefusedError

_PAGE = 5_000
_EVERY = 100_000
_NOT_FOUND = 404
_PATIENCE_S = 60.0
_TIMES = {"created_at", "started_at", "finished_at", "heartbeat_at", "validated_at"}
_AMOUNTS = {"paper_profit"}


def connect(
    state: Path | str | None = None, *, address: str | None = None, token: str | None = None
) -> "Live":
    """Return a running system, by its state folder or by its address.

    Args:
        state: state folder of a `tradepulse up` on this machine; by default `.tradepulse`.
        address: of its page, from any machine; the one that `tradepulse up` prints has the token.
        token: where the address has none: the word of the system's token file.

    Raises:
        NoSystemError: none runs there, or no token is given.
    """
    # what runs here is ours: a proxy of the environment knows nothing of it
    is_elsewhere = address is not None
    if address is None:
        address, token = page_address(STATE if state is None else Path(state))
    parts = urlsplit(address)
    if token is None:
        [token] = parse_qs(parts.query).get("token", [None])[:1]
    if not token:
        raise NoSystemError(
            f"{address}: give token=, or the whole address that `tradepulse up` printed"
        )
    base = parts._replace(query="", fragment="").geturl().rstrip("/")
    return Live(
        httpx.Client(
            base_url=base,
            headers={"authorization": f"Bearer {token}"},
            timeout=_PATIENCE_S,
            trust_env=is_elsewhere,
        )
    )


class Live:
    """A running system; made by `connect`, closed by `close` or at the end of `with`.

    The frames are of polars: amounts, prices and quantities as float64, times as datetimes in UTC,
    the oldest row first, all of them. A range is given as `Time` has it: from `start` on, before
    `end`. A configuration is given by its id, or by how that begins; a symbol as `BTC/USD`.

    Every call raises:
        NoSystemError: the system does not answer.
        RefusedError: it refuses; the line says why, as the command of the same name does.
    """

    def __init__(self, client: httpx.Client, *, page: int = _PAGE) -> None:
        self._client = client
        self._page = page
        self.jobs = Jobs(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<tradepulse at {self.address}>"

    @property
    def address(self) -> str:
        """Where it is, without its token."""
        return str(self._client.base_url).rstrip("/")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def trades(
        self,
        *,
        configuration: str | None = None,
        symbol: str | Sequence[str] | None = None,
        start: Time | None = None,
        end: Time | None = None,
    ) -> pl.DataFrame:
        """Return the closed trades; a range is of the times at which they were closed."""
        return self._rows("trades", configuration, symbol, start, end)

    def orders(
        self,
        *,
        configuration: str | None = None,
        symbol: str | Sequence[str] | None = None,
        start: Time | None = None,
        end: Time | None = None,
    ) -> pl.DataFrame:
        """Return the orders with their fills or refusals."""
        return self._rows("orders", configuration, symbol, start, end)

    def signals(
        self,
        *,
        configuration: str | None = None,
        symbol: str | Sequence[str] | None = None,
        start: Time | None = None,
        end: Time | None = None,
    ) -> pl.DataFrame:
        """Return the signals of the strategies."""
        return self._rows("signals", configuration, symbol, start, end)

    def equity(self, *, start: Time | None = None, end: Time | None = None) -> pl.DataFrame:
        """Return what the account was worth at each close that it has settled."""
        return self._rows("equity", None, None, start, end)

    def weights(
        self,
        *,
        symbol: str | Sequence[str] | None = None,
        start: Time | None = None,
        end: Time | None = None,
    ) -> pl.DataFrame:
        """Return the portfolio's weights, a row for each instrument and close."""
        return self._rows("weights", None, symbol, start, end)

    def configurations(self) -> pl.DataFrame:
        """Return the configurations, active ones first; figures of a sample are one column each.

        `params`, `in_sample` and `out_of_sample` are structs: `frame.unnest("out_of_sample")`.
        """
        return _frame(self.get("/api/configurations", limit=_EVERY))

    def get(self, path: str, **asked: Any) -> Any:
        """Return what the API answers to a path, as `/api/overview`; `/api/docs` lists them."""
        return self._answer("GET", path, params=asked)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Send a body to a path of the API and return its answer."""
        return self._answer("POST", path, json=dict(body))

    def _rows(
        self,
        name: str,
        configuration: str | None,
        symbol: str | Sequence[str] | None,
        start: Time | None,
        end: Time | None,
    ) -> pl.DataFrame:
        row = TABLES[name].row
        symbols = symbol if symbol is None or isinstance(symbol, str) else ",".join(symbol)
        asked = {
            "configuration": configuration,
            "symbol": symbols,
            "start": None if start is None else time_ms(start),
            "end": None if end is None else time_ms(end),
        }
        given = {key: value for key, value in asked.items() if value is not None}
        names = list(row.model_fields)
        parts = [
            # a later version may have more columns
            exact_frame(row, ([one.get(name) for name in names] for one in rows))
            for rows in self._pages(f"/api/ledger/{name}", given)
        ]
        return shown_frame(row, pl.concat(parts))

    def _pages(self, path: str, asked: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, **asked, limit=self._page, **cursor)
            yield page["rows"]
            if page["cursor"] is None:
                return
            cursor = {"after": page["cursor"]}

    def _answer(self, method: str, path: str, **asked: Any) -> Any:
        try:
            answer = self._client.request(method, path, **asked)
        except httpx.HTTPError as error:
            raise NoSystemError(
                f"no system answers at {self.address} ({type(error).__name__}): "
                "start it, or correct the address"
            ) from None
        if answer.is_success:
            return answer.json()
        raise _refusal(answer)


class Jobs:
    """Searches, validations and trainings of a running system."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def submit(self, **spec: Any) -> dict[str, Any]:
        """Queue a search and return its job; `list` tells how far it is.

        Args:
            spec: what `tradepulse.research.jobs.JobSpec` has: at least `strategies`, `exchange`,
                `symbols` and `timeframe`; `start` and `end` as `Time`.
        """
        for name in ("start", "end"):
            if spec.get(name) is not None:
                spec[name] = time_ms(spec[name])
        job: dict[str, Any] = self._live.post("/api/jobs", spec)
        return job

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancel a job: at once where it waits, soon where it runs."""
        job: dict[str, Any] = self._live.post(f"/api/jobs/{job_id}/cancel", {})
        return job

    def list(self) -> pl.DataFrame:
        """Return the jobs: what runs, what waits, what ended, the newest of each first."""
        return _frame(self._live.get("/api/jobs", limit=_EVERY))


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return answers as a frame, with datetimes in UTC and amounts as float64."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    for names, as_ in ((_TIMES, pl.Datetime("ms", "UTC")), (_AMOUNTS, pl.Float64)):
        there = [name for name in frame.columns if name in names]
        frame = frame.with_columns(pl.col(there).cast(as_))
    return frame


def _refusal(answer: httpx.Response) -> RefusedError:
    try:
        said = answer.json()
        code, detail = str(said["code"]), str(said["detail"])
    except (ValueError, KeyError, TypeError):
        code, detail = "unknown", f"{answer.url.path}: status {answer.status_code}"
    return NotFoundError(detail) if answer.status_code == _NOT_FOUND else RefusedError(code, detail)
