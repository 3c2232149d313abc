"""The hash chain of `history.jsonl`: which line was changed, removed, inserted or moved.

Each line ends in two hashes. `previous` is the sha256 of what stood before it: the lines from
the last hashed one on (so that lines from before the chain, and lines that were cut short, are
covered too). `hash` is the sha256 of the line itself as far as that key. The head of a file is
what the next line would have as `previous`. White space at a line's ends and blank lines count
for nothing: a checkout that changes line ends breaks no chain.

The chain alone cannot show that lines at the end were cut off, nor that all of it was written
anew by somebody who can hash: for that a head has to be kept elsewhere.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

MERGE = "merge"
"""Action of a line by which somebody accepts that two branches were merged above it."""
COVERS = "covers_sha256"
"""What that line says of all the lines above it."""

_LINKED = re.compile(
    rb'(?P<body>.*, "previous": "(?P<previous>[0-9a-f]{64})"), "hash": "(?P<hash>[0-9a-f]{64})"\}'
)


class Link(NamedTuple):
    """The hashes that a line bears."""

    previous: str
    is_whole: bool
    """Whether the line's own hash is right."""


class Kind(StrEnum):
    """What is wrong with a line."""

    CHANGED = "changed"
    BEFORE = "changed or removed before it"
    MOVED = "moved"
    COPIED = "copied"
    BRANCHED = "inserted or merged"
    UNHASHED = "not hashed"
    CUT_SHORT = "not an entry"

    @property
    def can_be_accepted(self) -> bool:
        """Whether an honest merge, or a colleague's older release, leaves this behind."""
        return self in (Kind.BRANCHED, Kind.UNHASHED)


class Finding(NamedTuple):
    """One line that breaks the chain."""

    line: int
    """1-based."""
    kind: Kind
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a file's chain says."""

    entries: int
    """Lines that are not blank."""
    unhashed: int
    """Those from before the chain."""
    head: str
    findings: tuple[Finding, ...]
    """In the order of the lines."""
    accepted: tuple[Finding, ...]
    """Those that a merge entry below them accepts."""
    heads: dict[str, int]
    """Every head that the file has had -> the line it was the head after (0: none)."""


def chained(so_far: bytes, lines: Iterable[bytes]) -> bytes:
    """`lines`, each an object of JSON, with their hashes: what to append to the file `so_far`."""
    head, appended = _Head(), []
    for _, line in _numbered(so_far):
        head.add(line, starts=link_of(line) is not None)
    for line in lines:
        body = line.strip()[:-1] + f', "previous": "{head.value}"'.encode()
        whole = body + f', "hash": "{sha256(body).hexdigest()}"}}'.encode()
        head.add(whole, starts=True)
        appended.append(whole + b"\n")
    return b"".join(appended)


def covering_hash(so_far: bytes) -> str:
    """Over all lines of a file: what a merge entry says of those above it."""
    return sha256(b"\n".join(line for _, line in _numbered(so_far))).hexdigest()


def link_of(line: bytes) -> Link | None:
    """The hashes that a line bears; None where it bears none."""
    match = _LINKED.fullmatch(line.strip())
    if match is None:
        return None
    is_whole = sha256(match["body"]).hexdigest() == match["hash"].decode()
    return Link(match["previous"].decode(), is_whole)


def verify(raw: bytes) -> Verified:
    """Follow the chain through a file; never raises on content."""
    lines = _numbered(raw)
    links = [link_of(line) for _, line in lines]
    head, before = _Head(), []
    heads = {head.value: 0}
    for (number, line), link in zip(lines, links, strict=True):
        before.append(head.value)
        head.add(line, starts=link is not None)
        heads.setdefault(head.value, number)
    found = _Chain(lines, links, before, heads).findings()
    last_merge = max(
        (at for at, (_, line) in enumerate(lines) if links[at] and _accepts(lines[:at], line)),
        default=None,
    )
    until = 0 if last_merge is None else lines[last_merge][0]
    accepted = [each for each in found if each.line < until and each.kind.can_be_accepted]
    first = next((at for at, link in enumerate(links) if link is not None), len(lines))
    return Verified(
        entries=len(lines),
        unhashed=first,
        head=head.value,
        findings=tuple(each for each in found if each not in accepted),
        accepted=tuple(accepted),
        heads=heads,
    )


class _Head:
    """What the next line would have as `previous`, line by line."""

    def __init__(self) -> None:
        self._hash, self._is_empty = sha256(), True

    @property
    def value(self) -> str:
        return self._hash.hexdigest()

    def add(self, line: bytes, *, starts: bool) -> None:
        """One more line; one that bears hashes covers all before it."""
        if starts:
            self._hash = sha256()
        elif not self._is_empty:
            self._hash.update(b"\n")
        self._hash.update(line)
        self._is_empty = False


Lines = list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class _Chain:
    """A file's lines, with what each should be linked to."""

    lines: Lines
    links: list[Link | None]
    before: list[str]
    """The head above each line."""
    heads: dict[str, int]

    def findings(self) -> list[Finding]:
        """All that is wrong, in the order of the lines."""
        found, seen = [], set()
        began = False
        for at, (number, line) in enumerate(self.lines):
            link = self.links[at]
            began = began or link is not None
            wrong = self._linked(at, link) if link else self._unlinked(at, began=began)
            if link is not None and line in seen:
                wrong = Kind.COPIED, "is a copy of a line above it"
            seen.add(line)
            if wrong is not None:
                found.append(Finding(number, *wrong))
        return found

    def _linked(self, at: int, link: Link) -> tuple[Kind, str] | None:
        if not link.is_whole:
            return Kind.CHANGED, "was changed: its own hash is another"
        if link.previous == self.before[at]:
            return None
        above = self.lines[at - 1][0] if at else 0
        after = self.heads.get(link.previous)
        if after is None:
            what = f"line {above}, or one above it," if above else "a line above it"
            return Kind.BEFORE, f"does not follow what stands above: {what} was changed or removed"
        if after > above:
            return (
                Kind.MOVED,
                f"was moved: it was written after line {after}, which stands below it",
            )
        between = f"line {above} was" if above == after + 1 else f"lines {after + 1}-{above} were"
        return Kind.BRANCHED, f"was written after line {after}: {between} inserted, or merged in"

    def _unlinked(self, at: int, *, began: bool) -> tuple[Kind, str] | None:
        fields = _fields(self.lines[at][1])
        if fields is not None and not {"previous", "hash"}.isdisjoint(fields):
            return Kind.CHANGED, "was changed: its hashes are not where they were written"
        if not began:
            return None
        if fields is not None:
            return Kind.UNHASHED, "bears no hash: inserted, or written by an older Assay"
        if any(self.links[at:]):  # what follows covers it, or says that it does not
            return None
        return Kind.CUT_SHORT, "is not an entry: a write that was cut short, or inserted"


def _numbered(raw: bytes) -> Lines:
    """The lines that are not blank, without white space at their ends."""
    lines = enumerate(raw.split(b"\n"), start=1)
    return [(number, kept) for number, line in lines if (kept := line.strip())]


def _accepts(above: Lines, line: bytes) -> bool:
    """Whether a line accepts all that stands above it, as it stands there."""
    if b'"action": "merge"' not in line:
        return False
    fields = _fields(line) or {}
    said = fields.get(COVERS)
    covered = sha256(b"\n".join(each for _, each in above)).hexdigest()
    return fields.get("action") == MERGE and said == covered


def _fields(line: bytes) -> dict[str, Any] | None:
    """The line's object; None where it is none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
