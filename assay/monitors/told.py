"""Which breaches somebody was told of: `results/monitors/state.json`.

A breach that goes on from hour to hour is told once. Telling is done under the folder's lock, so
that two watches do not tell the same; a kill between the telling and the keeping makes it be told
again, with the alert's same id.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from assay.durable import folder_lock, replace_file
from assay.monitors.book import FOLDER
from assay.monitors.breaches import Breach

NAME = "state.json"
MAX_STATE_BYTES = 1_000_000
PATIENCE_S = 60.0
"""Another watch may be telling."""
REMEMBERED = timedelta(days=8)


class Told(BaseModel):
    """A breach that somebody was told of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: datetime
    """Its first day or hour."""
    last: datetime
    """Its last one so far."""


class ToldState(BaseModel):
    """Every breach that somebody was told of, by its key; the last of each key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    told: dict[str, Told] = {}

    def knows(self, breach: Breach) -> bool:
        """Whether it is one that somebody was told of, or goes on from it."""
        told = self.told.get(breach.key)
        return told is not None and breach.at <= told.last + breach.lasts

    def since(self, breach: Breach) -> datetime:
        """When it began."""
        told = self.told.get(breach.key)
        return told.since if told is not None and self.knows(breach) else breach.at

    def with_(self, breach: Breach) -> "ToldState":
        """With this one, too."""
        told = self.told.get(breach.key)
        last = max(breach.at, told.last) if told is not None else breach.at
        return ToldState(told={**self.told, breach.key: Told(since=self.since(breach), last=last)})


def read_told(results: Path) -> ToldState:
    """What is kept; nothing where it cannot be read."""
    try:
        with (results / FOLDER / NAME).open("rb") as file:
            return ToldState.model_validate_json(file.read(MAX_STATE_BYTES))
    except (OSError, ValidationError):
        return ToldState()


async def tell_new(
    results: Path,
    found: Sequence[Breach],
    tell: Callable[[Breach], Awaitable[object]],
    *,
    now: datetime,
) -> list[Breach]:
    """Tell of the breaches that are new, and keep that.

    Args:
        results: The results folder.
        found: All that a look found, the older first.
        tell: Tells of one.
        now: With a time zone.

    Returns:
        Those that were told of.

    Raises:
        OSError: It cannot be kept.
        CannotEvaluate: Another process holds the folder's lock.
    """
    if not found:
        return []
    folder = results / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    told: list[Breach] = []
    with folder_lock(folder, wait_s=PATIENCE_S):
        before = state = read_told(results)
        for breach in found:
            if not state.knows(breach):
                await tell(breach)
                told.append(breach)
            state = state.with_(breach)
        if state != before:
            kept = ToldState(told=_recent(state.told, now))
            replace_file(folder / NAME, f"{kept.model_dump_json(indent=2)}\n".encode())
    return told


def _recent(told: Mapping[str, Told], now: datetime) -> dict[str, Told]:
    since = now.astimezone(UTC) - REMEMBERED
    return {key: each for key, each in told.items() if each.last >= since}
