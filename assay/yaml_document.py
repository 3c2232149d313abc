"""A YAML file as parser events, which know where in the bytes they stand.

Unlike composed nodes, events show aliases, anchors and duplicate keys as they are written.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import yaml
from yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
)

from assay.errors import InputError

STRING_TAG = "tag:yaml.org,2002:str"
NULL_TAG = "tag:yaml.org,2002:null"
BOOL_TAG = "tag:yaml.org,2002:bool"
NUMBER_TAGS = ("tag:yaml.org,2002:float", "tag:yaml.org,2002:int")
_RESOLVER = yaml.resolver.Resolver()
_BOM = b"\xef\xbb\xbf"


class Shape(NamedTuple):
    """All that a loader could see of one event."""

    type: type[Event]
    anchor: str | None
    tag: str | None
    resolved_tag: str | None
    """What an untagged scalar is loaded as; None for the rest."""
    value: str | None


class YamlDocument:
    """The one YAML document of a file.

    Args:
        raw: The file's bytes.
        path: The file's name, for messages.

    Raises:
        InputError: The bytes are not UTF-8, or not valid YAML.
    """

    def __init__(self, raw: bytes, path: Path) -> None:
        self._path = path
        self._bom = len(_BOM) if raw.startswith(_BOM) else 0
        self._text = self._decode(raw)
        self.events = self._parse()

    def root(self) -> int:
        """Index of the event that opens the document's mapping."""
        starts = [i for i, event in enumerate(self.events) if isinstance(event, DocumentStartEvent)]
        if not starts:
            raise InputError("the file is empty", path=self._path)
        if len(starts) > 1:
            self.refuse(starts[1], "a second YAML document begins here", "keep one document")
        root = starts[0] + 1
        if not isinstance(self.events[root], MappingStartEvent):
            self.refuse(root, "the file is not a mapping of sections", "see the sample assay.yaml")
        return root

    def entries(self, mapping: int, keys: Collection[str]) -> dict[str, int]:
        """Index of the value's event for each of `keys` in the mapping opened at `mapping`."""
        found: dict[str, int] = {}
        for key, value in self._pairs(mapping):
            event = self.events[key]
            if not isinstance(event, ScalarEvent) or event.value not in keys:
                continue
            if event.value in found:
                first = self.line(found[event.value])
                self.refuse(
                    key,
                    f"`{event.value}` is given already on line {first}",
                    "delete one of the two",
                )
            found[event.value] = value
        return found

    def span(self, position: int) -> tuple[int, int]:
        """Offsets in bytes at which the event at `position` begins and ends."""
        event = self.events[position]
        return self._offset(_index(event.start_mark)), self._offset(_index(event.end_mark))

    def line(self, position: int) -> int:
        """1-based line on which the event at `position` begins."""
        return self._line_at(_index(self.events[position].start_mark))

    def shapes(self) -> list[Shape]:
        """What the document says, whatever its spaces, comments and quotes."""
        return [
            Shape(
                type(event),
                getattr(event, "anchor", None),
                getattr(event, "tag", None),
                _resolved_tag(event),
                getattr(event, "value", None),
            )
            for event in self.events
        ]

    def refuse(self, position: int, problem: str, mend: str) -> NoReturn:
        """Say what is wrong with the event at `position`."""
        raise InputError(problem, path=self._path, line=self.line(position), mend=mend)

    def _pairs(self, mapping: int) -> Iterator[tuple[int, int]]:
        key = mapping + 1
        while not isinstance(self.events[key], MappingEndEvent):
            value = self._after(key)
            yield key, value
            key = self._after(value)

    def _after(self, position: int) -> int:
        """Index just past the node that begins at `position`."""
        depth = 0
        while True:
            event = self.events[position]
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            position += 1
            if depth == 0:
                return position

    def _offset(self, index: int) -> int:
        # Marks count characters of the decoded text, which has no byte-order mark any more.
        return self._bom + len(self._text[:index].encode())

    def _line_at(self, index: int) -> int:
        # Not the mark's own line: for YAML, U+2028 ends a line; for an editor it does not.
        return self._text.count("\n", 0, index) + 1

    def _decode(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as bad:
            raise InputError(
                "this line is not UTF-8",
                path=self._path,
                line=raw.count(b"\n", 0, bad.start) + 1,
                mend="save the file as UTF-8",
            ) from None

    def _parse(self) -> list[Event]:
        try:
            return list(yaml.parse(self._text, Loader=yaml.SafeLoader))
        except yaml.reader.ReaderError as bad:
            problem, index = f"character U+{bad.character:04X} is not allowed", bad.position
        except yaml.MarkedYAMLError as bad:
            problem, index = bad.problem or "not valid YAML", _index(bad.problem_mark)
        line = self._line_at(index)
        raise InputError(f"not valid YAML: {problem}", path=self._path, line=line)


def tag_of(value: str, implicit: tuple[bool, bool] = (True, False)) -> str:
    """What an untagged scalar is loaded as: a string, a number, null.

    Args:
        value: Its text.
        implicit: As its event has it; plain, without quotes, by default.
    """
    return str(_RESOLVER.resolve(yaml.ScalarNode, value, implicit))  # type: ignore[no-untyped-call]


def _resolved_tag(event: Event) -> str | None:
    if not isinstance(event, ScalarEvent) or event.tag is not None:
        return None
    return tag_of(event.value, event.implicit)


def _index(mark: Any) -> int:
    return 0 if mark is None else int(mark.index)
