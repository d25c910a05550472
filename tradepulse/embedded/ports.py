"""Free TCP ports on this machine, the same ones at every start where possible."""

import json
import random
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

HOST = "127.0.0.1"
# Below what systems hand out for outgoing connections: a client that keeps knocking at a closed
# port of that range is one day connected to itself, and then holds the port.
_RANGE = range(20_000, 30_000)


def is_free(port: int) -> bool:
    """Say whether a server could listen on `port` of 127.0.0.1 now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are only waiting to expire is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """Choose `count` different ports that nobody listens on.

    Raises:
        OSError: there are not as many.
    """
    chosen: list[int] = []
    for port in random.sample(_RANGE, len(_RANGE)):
        if len(chosen) == count:
            break
        if is_free(port):
            chosen.append(port)
    if len(chosen) < count:
        raise OSError(f"no free port from {_RANGE.start} to {_RANGE.stop}")
    return chosen


def remembered_ports(path: Path, names: Sequence[str]) -> dict[str, int]:
    """Give each name a port: the one written in `path` unless it is taken, else a free one.

    Args:
        path: a JSON file, written when anything changed; its folder exists.
        names: what to have ports for.
    """
    known: dict[str, int] = {}
    with suppress(FileNotFoundError, ValueError):
        known = json.loads(path.read_text())
    ports = {name: known[name] for name in names if name in known and is_free(known[name])}
    missing = [name for name in names if name not in ports]
    ports.update(zip(missing, free_ports(len(missing)), strict=True))
    if any(known.get(name) != port for name, port in ports.items()):
        path.write_text(json.dumps(known | ports))
    return ports
