"""Users' YAML files as plain values, each with the line it stands on.

The scalars are those of YAML 1.2, as editors and every language but PyYAML read them:
`on`, `yes`, `010` and `12:30` are text, so that a wrong type is an error and no surprise.
Nothing in a file can make reading it costly or run code: size, depth and aliases are bounded.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from assay.errors import InputError
from assay.yaml_loader import MAX_DEPTH, TAG, Loader

MAX_YAML_BYTES = 1_000_000
MAX_VALUES = 100_000
"""Values in one document, each counted as often as aliases repeat it."""

Location = tuple[str | int, ...]
"""Keys and positions from the top of a document down to one value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML file, read."""

    path: Path
    value: Any
    """Of dicts, lists, str, int, float, bool and None; fresh, the reader may change it."""
    lines: Mapping[Location, int]

    def line(self, location: Location) -> int | None:
        """1-based line of the key or item at `location`, or of the nearest one around it."""
        for length in range(len(location), 0, -1):
            if (line := self.lines.get(location[:length])) is not None:
                return line
        return None


def read_bytes(path: Path, *, mend: str | None = None) -> bytes:
    """The file's bytes.

    Raises:
        InputError: It is missing (`mend` says what to do then) or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError("there is no such file", path=path, mend=mend) from None
    except (OSError, ValueError) as refused:
        reason = getattr(refused, "strerror", None) or refused
        raise InputError(f"cannot be read: {reason}", path=path, mend=mend) from None


def decode(raw: bytes, *, path: Path, first_line: int = 1) -> str:
    """The text of UTF-8 bytes, without a byte-order mark.

    Raises:
        InputError: They are not UTF-8; its line is counted from `first_line`.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        raise InputError(
            f"byte 0x{bad.object[bad.start]:02x} is not UTF-8",
            path=path,
            line=first_line + bad.object.count(b"\n", 0, bad.start),
            mend="save the file as UTF-8",
        ) from None


def parse_yaml(raw: bytes, *, path: Path) -> Document:
    """Read the one YAML document in `raw`.

    Args:
        raw: The file's bytes; CRLF and a byte-order mark are fine.
        path: The file's name, for messages.

    Raises:
        InputError: The bytes are too many, not UTF-8 or not one YAML document; a key is
            given twice or is not text; a tag, a merge key, a loop of aliases.
    """
    if len(raw) > MAX_YAML_BYTES:
        raise InputError(
            f"the file has {len(raw):,} bytes, more than {MAX_YAML_BYTES:,}",
            path=path,
            mend="golden tasks belong in golden/*.jsonl",
        )
    text = decode(raw, path=path)
    reading = _Reading(text=text, path=path)
    root = reading.compose()
    if root is None:
        raise InputError("the file is empty", path=path, mend="see docs/configuration.md")
    value = reading.value_of(root, ())
    return Document(path=path, value=value, lines=reading.lines)


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One document on its way from text to values."""

    text: str
    path: Path
    lines: dict[Location, int] = field(default_factory=dict)
    n_values: int = 0
    _ends: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self._ends = [at for at, char in enumerate(self.text) if char == "\n"]

    def compose(self) -> yaml.Node | None:
        try:
            loader = Loader(self.text)
        except ReaderError as bad:
            problem = f"character U+{bad.character:04X} is not allowed"
            raise self.wrong(problem, bad.position, mend="delete it") from None
        try:
            return loader.get_single_node()
        except yaml.MarkedYAMLError as bad:
            mark = bad.problem_mark or bad.context_mark
            problem = f"not valid YAML: {bad.problem or bad.context}"
        except (ValueError, OverflowError):  # chr() of an escape such as "\UFFFFFFFF"
            mark, problem = loader.get_mark(), "not valid YAML: no character has this number"
        mend = "look at this line and the one before; text with ': ' or ' #' needs quotes"
        raise self.wrong(problem, 0 if mark is None else mark.index, mend=mend)

    def value_of(self, node: yaml.Node, location: Location) -> Any:
        """The plain value of `node`, with the lines of all that is in it kept."""
        self.n_values += 1
        if len(location) > MAX_DEPTH or self.n_values > MAX_VALUES:
            problem = f"an alias without end, or more than {MAX_VALUES:,} values"
            raise self.wrong_node(node, problem, mend="write out what the aliases stand for")
        if isinstance(node, yaml.MappingNode) and node.tag == f"{TAG}map":
            return self.mapping(node, location)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{TAG}seq":
            return [self.item(child, (*location, n)) for n, child in enumerate(node.value)]
        return self.scalar(node)

    def item(self, node: yaml.Node, location: Location) -> Any:
        self.lines[location] = self.line_at(node.start_mark.index)
        return self.value_of(node, location)

    def mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.key(key_node)
            here = (*location, key)
            if key in values:
                problem = f"key {key!r} is already used on line {self.lines[here]}"
                raise self.wrong_node(key_node, problem, mend="delete one of the two")
            self.lines[here] = self.line_at(key_node.start_mark.index)
            values[key] = self.value_of(value_node, here)
        return values

    def key(self, node: yaml.Node) -> str:
        key = self.scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            raise self.wrong_node(node, "a key must be text", mend="put the key in quotes")
        if key == "<<":
            raise self.wrong_node(node, "merge keys (<<) are not read", mend="write the keys out")
        return key

    def scalar(self, node: yaml.Node) -> Any:
        convert = _SCALARS.get(str(node.tag).removeprefix(TAG))
        if convert is None or not isinstance(node, yaml.ScalarNode):
            tag = str(node.tag).replace(TAG, "!!")[:60]
            raise self.wrong_node(
                node, f"tag {tag} is not read here", mend="write the value plainly"
            )
        try:
            return convert(node.value)
        except UnicodeEncodeError:
            raise self.wrong_node(node, "half of a character (\\ud800 to \\udfff)") from None
        except ValueError:
            raise self.wrong_node(node, f"{node.value[:30]!r} cannot be read") from None

    def wrong_node(self, node: yaml.Node, problem: str, *, mend: str | None = None) -> InputError:
        return self.wrong(problem, node.start_mark.index, mend=mend)

    def wrong(self, problem: str, index: int, *, mend: str | None = None) -> InputError:
        return InputError(problem, path=self.path, line=self.line_at(index), mend=mend)

    def line_at(self, index: int) -> int:
        # Not the mark's own line: for YAML, U+2028 ends a line; for an editor it does not.
        return bisect_right(self._ends, index - 1) + 1


def _storable(text: str) -> str:
    text.encode()
    return text


def _truth(text: str) -> bool:
    if (word := text.lower()) not in ("true", "false"):
        raise ValueError(text)
    return word == "true"


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


_SCALARS: Mapping[str, Callable[[str], Any]] = {
    "str": _storable,
    "null": lambda _text: None,
    "bool": _truth,
    "int": int,
    "float": _finite,
}
