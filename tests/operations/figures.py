"""What an exporter would tell that is not here."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.operations.watched import HOST


class Figures:
    """Figures that are set by hand, for Prometheus."""

    def __init__(self) -> None:
        self.told: dict[str, float] = {}
        told = self.told

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.end_headers()
                lines = "".join(f"{name} {value}\n" for name, value in told.items())
                self.wfile.write(lines.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Answer)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    async def set(self, name: str, value: float) -> None:
        """Tell a figure from now on."""
        self.told[name] = value

    async def forget(self) -> None:
        """Tell none."""
        self.told.clear()
