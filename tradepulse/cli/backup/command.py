"""`backup` and `restore`."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradepulse.cli.connections import STATE, State
from tradepulse.cli.errors import CliError
from tradepulse.cli.options import time_of, time_text

if TYPE_CHECKING:
    from tradepulse.cli.backup.database import Holding

FOLDER = Path("backups")


def backup(
    folder: Annotated[Path, typer.Argument(help="Folder that keeps the backups.")] = FOLDER,
    physical: Annotated[
        bool,
        typer.Option(
            "--physical", help="A copy of the whole server, from which archived WAL goes on."
        ),
    ] = False,
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="Remove all but so many of the newest of this kind afterwards."),
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(help="With --keep: remove archived WAL that no kept backup needs."),
    ] = None,
    state: State = STATE,
) -> None:
    """Write the database to a file, or with --physical a copy of its whole server."""
    from tradepulse.cli.backup import files, portable
    from tradepulse.cli.backup import physical as whole
    from tradepulse.cli.backup.database import lent

    if archive is not None and not (physical and keep):
        raise CliError("--archive needs --physical and --keep: it removes what these leave behind")

    async def work() -> None:
        async with lent(state) as url:
            made = await (whole.back_up if physical else portable.back_up)(url, folder)
        typer.echo(f"wrote {made.path}: {_size(made.bytes)}, {_ledger(made.held)}")

    asyncio.run(work())
    for old in files.drop_old(folder, files.PHYSICAL if physical else files.PORTABLE, keep or 0):
        typer.echo(f"removed {old}")
    if archive is not None:
        typer.echo(f"removed {whole.drop_wal(folder, archive):,} files of {archive}")


def restore(
    backup: Annotated[
        Path, typer.Argument(help="A backup; or with --drill the folder of backups.")
    ] = FOLDER,
    drill: Annotated[
        bool,
        typer.Option(
            "--drill",
            help="Restore the newest portable backup into a scratch database, check it, drop it.",
        ),
    ] = False,
    until: Annotated[
        str | None,
        typer.Option(help="Of a physical backup: stop at this time, as 2026-11-29T17:30:00."),
    ] = None,
    archive: Annotated[
        Path | None, typer.Option(help="Of a physical backup: folder of the archived WAL.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(help="Of a physical backup: data folder to be made for a server of your own."),
    ] = None,
    state: State = STATE,
) -> None:
    """Bring a backup back: into an empty database, or as the data folder of a server."""
    from tradepulse.cli.backup import files

    if drill:
        asyncio.run(_drill(state, backup))
        return
    if not backup.exists():
        raise CliError(f"there is no {backup}")
    stop = time_of("--until", until)
    if backup.suffix == files.PHYSICAL:
        asyncio.run(_recover(backup, state, into, archive, stop))
        return
    if archive or into or until:
        raise CliError("--until, --archive and --into are for a physical backup, NAME.base")
    asyncio.run(_restore(state, backup))


async def _drill(state: Path, folder: Path) -> None:
    from tradepulse.cli.backup.database import lent
    from tradepulse.cli.backup.drill import drill

    async with lent(state) as url:
        done = await drill(url, folder)
    typer.echo(f"{done.path} can be restored: {_size(done.bytes)}, {_ledger(done.held)}")
    if done.held.missing:
        typer.echo(f"and brought up to date: {', '.join(done.held.missing)}")


async def _restore(state: Path, backup: Path) -> None:
    from tradepulse.cli.backup import portable
    from tradepulse.cli.backup.database import given, lent, server

    async with lent(state) if given() else server(state) as url:
        held = await portable.restore(url, backup)
    typer.echo(f"restored {backup}: {_ledger(held)}")
    _tell_what_follows(held)


async def _recover(
    backup: Path, state: Path, into: Path | None, archive: Path | None, until: int | None
) -> None:
    from tradepulse.cli.backup import physical
    from tradepulse.cli.backup.database import data_folder, server

    if into is not None:
        physical.unpack(backup, into, archive, until)
        typer.echo(
            f"made {into}: start a PostgreSQL server on it, which recovers, then the services"
        )
        return
    with data_folder(state) as data:
        physical.unpack(backup, data, archive, until)
    async with server(state) as url:
        held = await physical.recovered(url)
    typer.echo(f"restored {backup}: {_ledger(held)}")
    _tell_what_follows(held)


def _tell_what_follows(held: "Holding") -> None:
    for consumer, settled in held.settled:
        typer.echo(f"{consumer} stands at {time_text(settled)}; from there it reads Kafka again")
    if held.missing:
        typer.echo(f"it lacks {', '.join(held.missing)}: run `tradepulse migrate`")


def _ledger(held: "Holding") -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in held.rows.items())
    return f"{held.tables} tables, {counts}"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
