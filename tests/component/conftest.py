"""The page's application over a database of the test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio
from studio_page import TOKEN, Studio
from studio_rows import Seeded, seed

from studio_svc.app import create_app
from studio_svc.stores import Stores
from studio_svc.stream.hub import Hub
from studio_svc.system.health import HealthWatch
from tests.database_roles import address_of
from tradepulse.runtime.db import connect_pool, migrate


@pytest_asyncio.fixture
async def studio(database_url: str, tmp_path: Path) -> AsyncIterator[Studio]:
    """The application over an empty database, on its role there, with a page of one line."""
    await migrate(database_url)
    pool = await connect_pool(database_url)
    own = await connect_pool(await address_of("studio_svc", database_url))
    stores, hub = Stores.over(own, "main", "main"), Hub()
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "page-1.js").write_text("1")
    (tmp_path / "index.html").write_text("<title>TradePulse</title>")
    async with httpx.AsyncClient() as asker:
        health = HealthWatch({"signal_svc": "http://127.0.0.1:1"}, asker)
        app = create_app(stores, hub, health, TOKEN, dist=tmp_path)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://page",
            headers={"authorization": f"Bearer {TOKEN}"},
        ) as client:
            yield Studio(pool, stores, hub, client, app)
    await own.close()
    await pool.close()


@pytest_asyncio.fixture
async def seeded(studio: Studio) -> Seeded:
    """Rows of every table that the page shows."""
    async with studio.pool.acquire() as connection:
        return await seed(connection)  # type: ignore[arg-type]  # a pooled connection is a proxy
