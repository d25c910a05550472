"""Behind a proxy that speaks TLS the cookie is for TLS alone, where that proxy is believed."""

import asyncio
from types import SimpleNamespace
from typing import cast

import httpx
import pytest
from studio_page import TOKEN, Studio

from tradepulse.embedded.ports import free_ports
from tradepulse.runtime.health import http_server
from tradepulse.runtime.settings import RuntimeSettings


@pytest.mark.parametrize(
    ("believed", "protocol", "is_secure"),
    [
        (None, "https", True),
        (None, "http", False),
        ("127.0.0.1", "https", True),
        ("*", "https", True),
        ("10.0.0.0/8", "https", False),
    ],
)
async def test_the_cookie_is_secure_where_the_proxy_says_so(
    believed: str | None,
    protocol: str,
    is_secure: bool,
    studio: Studio,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if believed is None:
        monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    else:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", believed)
    [port] = free_ports(1)
    settings = SimpleNamespace(http_host="127.0.0.1", http_port=port)
    async with (
        http_server(cast(RuntimeSettings, settings), studio.app),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        asyncio.timeout(60),
    ):
        while True:
            try:
                answer = await client.get(
                    "/", params={"token": TOKEN}, headers={"x-forwarded-proto": protocol}
                )
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
    assert answer.status_code == 303
    assert ("secure" in answer.headers["set-cookie"].lower().split("; ")) == is_secure
