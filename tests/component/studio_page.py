"""The page's application over one database, without a server."""

from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
from starlette.types import ASGIApp

from studio_svc.stores import Stores
from studio_svc.stream.hub import Hub

TOKEN = "a-right-token-of-32-characters-xx"


@dataclass
class Studio:
    """The application over one database."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    stores: Stores
    hub: Hub
    client: httpx.AsyncClient
    app: ASGIApp

    async def get(self, path: str, **params: Any) -> Any:
        """Return what the API answers with status 200."""
        response = await self.client.get(path, params=params)
        assert response.status_code == 200, response.text
        return response.json()


def anonymous(studio: Studio) -> httpx.AsyncClient:
    """Return a client that knows no token."""
    return httpx.AsyncClient(transport=studio.client._transport, base_url="http://page")
