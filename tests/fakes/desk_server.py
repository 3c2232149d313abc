"""A model server that plays a support agent, keeps every request, and can be held.

It runs in threads of the test's process, so it outlives the evaluation that it serves. What
it says follows from the request alone: the same conversation gets the same answer, whoever
asks and how often. Under a prompt that asks to be exhaustive it makes many more calls.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.fakes.openai_server import Reply, calls, says

PATIENCE_S = 60
ANSWER = "It takes two working days."
SEARCHES = ("return a lamp", "delivery time", "opening hours", "warranty", "gift card", "rugs")


class Dropped(Exception):
    """The request was held, and is not going to be answered."""


@dataclass
class DeskServer:
    """Use as a context manager; `base_url` is what `agent.base_url` wants."""

    base_url: str = ""
    asked: list[str] = field(default_factory=list)
    """The body of every request, in order of arrival."""
    answered: list[str] = field(default_factory=list)
    """The bodies of those that got their answer."""
    on_request: Callable[[int], None] = lambda _: None
    """Called with the number of each request, 1-based, before it is answered."""
    _held: list[str] = field(default_factory=list)
    _limit: int | None = None
    _drops: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Self:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._http.daemon_threads = True
        self._http.block_on_close = False
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        self.base_url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self.drop_held()
        self._http.shutdown()
        self._http.server_close()

    def hold_after(self, answers: int) -> None:
        """Answer so many more requests and let all further ones wait."""
        with self._changed:
            self._limit = len(self.answered) + answers

    def wait_until_held(self, count: int) -> list[str]:
        """Wait until just so many requests wait for an answer; their bodies."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._held) == count, PATIENCE_S):
                raise TimeoutError(f"{len(self._held)} requests are held, not {count}")
            return list(self._held)

    def drop_held(self) -> None:
        """End every request that is held now without an answer, and hold none from now on."""
        with self._changed:
            self._drops += 1
            self._held.clear()
            self._limit = None
            self._changed.notify_all()

    def release(self) -> None:
        """Answer everything that is held, and hold nothing from now on."""
        with self._changed:
            self._limit = None
            self._changed.notify_all()

    def take(self, body: str) -> Reply:
        """Keep one request, wait while the server is held, and say what to answer."""
        with self._changed:
            self.asked.append(body)
            number, drops = len(self.asked), self._drops
        self.on_request(number)
        with self._changed:
            if self._is_full():
                self._held.append(body)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._drops > drops or not self._is_full())
                if self._drops > drops:
                    raise Dropped
                self._held.remove(body)
            self.answered.append(body)
        return reply_to(json.loads(body))

    def _is_full(self) -> bool:
        return self._limit is not None and len(self.answered) >= self._limit


def point_at(server: DeskServer, workspace: Path, *, tasks: int = 4, repeats: int = 3) -> Path:
    """Let a copy of the sample ask this server, on a few golden tasks; the same workspace."""
    config = workspace / "assay.yaml"
    asks = f"model: desk-1\n  base_url: {server.base_url}"
    text = config.read_text().replace("model: scripted", asks)
    config.write_text(text.replace("repeats: 20", f"repeats: {repeats}"))
    golden = [{"id": f"task_{n}", "input": f"Question {n}?"} for n in range(1, tasks + 1)]
    lines = "".join(f"{json.dumps(task)}\n" for task in golden)
    (workspace / "golden" / "support.jsonl").write_text(lines)
    return workspace


def reply_to(request: dict[str, Any]) -> Reply:
    """What the model says next: some searches, one mail, and its answer."""
    messages = request["messages"]
    step = sum(message["role"] == "assistant" for message in messages)
    searches = SEARCHES if "exhaustive:" in messages[0]["content"] else SEARCHES[:1]
    # Runs differ a little, and each always in the same way.
    usage = (200 * (step + 1), 20 + request["seed"] % 30)
    if step < len(searches):
        return calls(("kb_search", {"query": searches[step]}), usage=usage)
    if step == len(searches):
        mail = {"to": "ann@example.com", "subject": "Yours", "body": ANSWER, "key": "answer"}
        return calls(("send_email", mail), usage=usage)
    return says(ANSWER, usage=usage)


def _handler_for(desk: DeskServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            try:
                reply = desk.take(body)
            except Dropped:
                self.close_connection = True
                return
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
