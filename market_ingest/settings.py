"""What market_ingest is told by its environment."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from market_ingest.replay import feed_name
from tradepulse.candles.arrays import Candles
from tradepulse.runtime.settings import DatabaseAddress, RuntimeSettings
from tradepulse.runtime.telemetry import LogFormat


class ReplaySettings(BaseSettings):
    """Which recorded candles are the market."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    replay_file: Path
    """A parquet or CSV of candles."""
    replay_symbols: Annotated[tuple[str, ...] | None, NoDecode] = None
    """Comma-separated; every symbol of the file where not given."""
    replay_from: int | None = Field(default=None, ge=0)
    """First open time of the replay, epoch ms."""
    replay_to: int | None = Field(default=None, ge=0)
    """The replay ends before this open time, epoch ms."""

    @field_validator("replay_symbols", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part for part in (text.strip() for text in value.split(",")) if part)
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if (
            self.replay_from is not None
            and self.replay_to is not None
            and self.replay_from >= self.replay_to
        ):
            raise ValueError("REPLAY_FROM is not before REPLAY_TO")
        return self

    def candles(self) -> list[Candles]:
        """Read the part to replay.

        Raises:
            CandleFileError: the file or what is asked of it is refused.
        """
        # only a replay reads files, and needs polars for it
        from tradepulse.market_data.files import read_candles  # noqa: PLC0415 - see above

        return read_candles(self.replay_file, self.replay_symbols, self.replay_from, self.replay_to)


class ModeSettings(BaseSettings):
    """Where the candles come from; the other mode's variables are not looked at."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    feed_mode: Literal["replay", "live"] = "replay"
    """`replay` of a file, or `live` from the exchanges."""


class IngestSettings(RuntimeSettings, ReplaySettings):
    """A replay, its speed and its name."""

    replay_speed: Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["max"] = "max"
    """Seconds of event time per second of wall time."""
    feed: str | None = Field(default=None, pattern=r"^[^\s:]{1,64}$")
    """Name of the feed; derived from the file's content and the part replayed if not given."""
    scan_every_s: float = Field(default=300, gt=0, allow_inf_nan=False)
    """Seconds between two looks for gaps in what is stored."""

    def derived_name(self) -> str:
        """Return the name that follows from the file's content and the part replayed."""
        return feed_name(self.replay_file, self.replay_symbols, self.replay_from, self.replay_to)


class LiveSettings(RuntimeSettings):
    """How the market is followed live."""

    venues_file: Path | None = None
    """JSON with ccxt's settings by venue; ccxt's own where not given."""
    candle_grace_ms: int = Field(default=2_000, ge=0, le=60_000)
    """How long after its end a candle waits for stragglers of the stream, ms."""
    check_delay_s: float = Field(default=8, ge=0, le=600, allow_inf_nan=False)
    """How long after its end a candle is compared with the venue's own, s."""
    stall_after_s: float = Field(default=60, gt=0, allow_inf_nan=False)
    """Silence after which a stream is taken for dead, s."""
    scan_every_s: float = Field(default=300, gt=0, allow_inf_nan=False)
    """Seconds between two looks for gaps in what is stored."""


class HistorySettings(ReplaySettings, DatabaseAddress):
    """What the one-shot import of the time before the replay needs."""

    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    log_format: LogFormat = "json"
