"""Server-sent events: a stream cut into events, none of its bytes changed."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LONGEST_BLANK = 4
_LINE_END = re.compile(r"\r\n|\n|\r")


class Event(NamedTuple):
    """One event."""

    raw: bytes
    """As it came, the blank line after it included."""
    data: str


class Events:
    r"""Takes a stream in whatever pieces it comes.

    >>> events = Events()
    >>> list(events.feed(b"data: 1\n"))
    []
    >>> [event.data for event in events.feed(b"\ndata: 2\n\ndata: ")]
    ['1', '2']
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._looked = 0

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that the chunk ends."""
        self._rest += chunk
        while found := _BLANK_LINE.search(self._rest, self._looked):
            raw = bytes(self._rest[: found.end()])
            del self._rest[: found.end()]
            self._looked = 0
            yield Event(raw, _data(raw))
        self._looked = max(0, len(self._rest) - _LONGEST_BLANK)

    def end(self) -> Event:
        """What has come after the last event: some servers leave out the last blank line."""
        raw = bytes(self._rest)
        self._rest.clear()
        return Event(raw, _data(raw))


def _data(raw: bytes) -> str:
    lines = _LINE_END.split(raw.decode(errors="replace"))  # splitlines would cut within JSON
    parts = [line.removeprefix("data:") for line in lines if line.startswith("data:")]
    return "\n".join(part.removeprefix(" ") for part in parts)
