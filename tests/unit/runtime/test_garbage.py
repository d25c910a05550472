"""Python looks for garbage rarely in a service: in every batch of messages it found none."""

import gc
from collections.abc import Iterator

import pytest

from tradepulse.runtime.service import GARBAGE_AFTER, Application, Service, run
from tradepulse.runtime.settings import RuntimeSettings


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_a_service_looks_for_garbage_after_many_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.set_threshold(700, 11, 12)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(SystemExit, match="2"):
        run(Application("any", RuntimeSettings, lambda *_: None))
    assert gc.get_threshold() == (GARBAGE_AFTER, 11, 12)


async def test_what_is_there_when_it_has_started_is_looked_at_no_more() -> None:
    settings = RuntimeSettings.model_construct(
        kafka_bootstrap_servers="kafka:9092", database_url="postgresql://postgres"
    )
    service = Service("any", settings)
    gc.unfreeze()
    await service._on_started()
    assert gc.get_freeze_count() > len(gc.get_objects())
