"""A server that speaks OnceOnly's API as far as its SDK 3.0.5 shows it, on a real socket.

It may be told to answer otherwise: a status of its own, garbage, a byte now and then, nothing.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Call = tuple[str, dict[str, Any]]
PAID = {"detail": {"error": "feature_not_available", "message": "Upgrade to Pro"}}


class FakeOnceOnly:
    """Policies, agents and events in memory."""

    key = "once_test_0123456789"

    def __init__(self) -> None:
        self.policies: dict[str, dict[str, Any]] = {}
        self.calls: list[Call] = []
        """`POST /v1/...` and what was posted."""
        self.answers: dict[str, tuple[int, bytes]] = {}
        """What to answer instead, by the last part of the path."""
        self.hangs = False
        self.drips = False
        self.on_call: Callable[[str], None] = lambda _: None
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def asked(self) -> list[str]:
        """`POST /v1/events`, in order."""
        return [call for call, _ in self.calls]

    def posted(self, call: str) -> dict[str, Any]:
        """What was posted with the last such call."""
        return next(body for name, body in reversed(self.calls) if name == call)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        """What the API answers."""
        match (method, path.strip("/").split("/")[1:]):
            case _, [*_, last] if last in self.answers:
                return self.answers[last]
            case "GET", ["policies", agent]:
                if agent not in self.policies:
                    return 404, _json({"detail": "no such policy"})
                return 200, _json({"agent_id": agent, "policy": self.policies[agent]})
            case "POST", ["policies", agent]:
                self.policies[agent] = body
                return 200, _json({"agent_id": agent, "policy": body})
            case "POST", ["agents", agent, "disable"]:
                return 200, _json({"agent_id": agent, "is_enabled": False, **body})
            case "GET", ["agents", agent, "metrics"]:
                metrics = {"total_actions": 1234, "blocked_actions": 5, "total_spend_usd": 3.2}
                return 200, _json({"agent_id": agent, "period": "day", "top_tools": [], **metrics})
            case "POST", ["events"]:
                return 200, _json({"ok": True})
        return 404, _json({"detail": "not found"})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                fake.calls.append((f"{self.command} {path}", body))
                fake.on_call(path)
                if fake.hangs:
                    fake._over.wait()
                    return
                status, content = 401, _json({"detail": "Invalid API Key"})
                if self.headers["Authorization"] == f"Bearer {fake.key}":
                    status, content = fake.answer(self.command, path, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                for byte in content if fake.drips else ():
                    if fake._over.wait(0.05):
                        return
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                self.wfile.write(b"" if fake.drips else content)

            do_POST = do_GET  # noqa: N815 - the standard library's name

            def log_message(self, *args: object) -> None:
                pass

        return Handler

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
