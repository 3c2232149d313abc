"""What an import has found so far: drafts of golden tasks, and what it had to leave out."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assay.documents import Document, Location
from assay.errors import InputError
from assay.validation import Place
from assay.wording import one_line

MAX_TASKS = 20_000
MAX_CHARS = 200_000_000
"""Of all tasks together: a few short lines may name one large file again and again."""
MAX_SAID_CHARS = 200


class LeftOut(Exception):
    """Something cannot be carried over: what, and why; its place is known further up."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(what, why)
        self.what = what
        self.why = why


@dataclass(frozen=True, slots=True)
class Loss:
    """Something of a user's file that no golden task has."""

    place: Place
    what: str
    """A kind of thing, to be counted by."""
    why: str

    def __str__(self) -> str:
        """`path:line: what: why`."""
        line = "" if self.place.line is None else f":{self.place.line}"
        return one_line(f"{self.place.path}{line}: {self.what}: {self.why}", max_chars=400)


@dataclass(frozen=True, slots=True)
class Found:
    """A value of a user's file, and where it and its parts stand."""

    value: Any
    at: Callable[[Location], Place]

    @property
    def place(self) -> Place:
        """Where the value itself stands."""
        return self.at(())

    def inside(self, *location: str | int) -> "Found":
        """The part at `location`, which must be there."""
        value = self.value
        for part in location:
            value = value[part]
        return Found(value, lambda further: self.at((*location, *further)))

    def get(self, key: str) -> "Found | None":
        """The part at `key`; None where it is missing or null."""
        if not isinstance(self.value, dict) or self.value.get(key) is None:
            return None
        return self.inside(key)

    def items(self) -> Iterator["Found"]:
        """A list's items, or the value itself where it is no list."""
        if not isinstance(self.value, list):
            yield self
            return
        for number in range(len(self.value)):
            yield self.inside(number)


def found_in(document: Document) -> Found:
    """The whole of a YAML file."""
    return Found(document.value, lambda at: Place(path=document.path, line=document.line(at)))


def found_on(value: Any, *, path: Path, line: int) -> Found:
    """A value that stands on one line."""
    return Found(value, lambda _: Place(path=path, line=line))


@dataclass(frozen=True, slots=True)
class Draft:
    """A golden task that has no id yet, and where it came from."""

    values: dict[str, Any]
    place: Place
    name: str = ""
    """What its id is made of; empty: of its input."""
    is_id: bool = False
    """Whether `name` is an id as it stands."""


@dataclass(slots=True)
class Harvest:
    """Drafts and losses, in the order in which they were found."""

    drafts: list[Draft] = field(default_factory=list)
    losses: dict[tuple[Place, str, str], Loss] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    """What holds for all of it."""
    assertions: int = 0
    carried: int = 0
    """Of the assertions."""
    _chars: int = 0

    def add(self, draft: Draft) -> None:
        """Keep a draft.

        Raises:
            InputError: There are too many, or too large ones.
        """
        self.drafts.append(draft)
        self._chars += len(json.dumps(draft.values))
        if len(self.drafts) > MAX_TASKS or self._chars > MAX_CHARS:
            raise InputError(
                f"this makes more than {MAX_TASKS:,} golden tasks, or {MAX_CHARS:,} characters",
                path=draft.place.path,
                line=draft.place.line,
                mend="import a part of it: every task is run again and again",
            )

    def lose(self, place: Place, what: str, why: str) -> None:
        """Say that something is left out; the same thing is said once."""
        what, why = (one_line(text, max_chars=MAX_SAID_CHARS) for text in (what, why))
        self.losses.setdefault((place, what, why), Loss(place, what, why))

    def note(self, what: str) -> None:
        """Say something once."""
        self.notes[one_line(what, max_chars=MAX_SAID_CHARS)] = None

    def lost_by_kind(self) -> Counter[str]:
        """How many losses there are of each kind."""
        return Counter(loss.what for loss in self.losses.values())
