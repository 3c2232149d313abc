"""Find a few strings in a YAML file and rewrite nothing but their characters.

Loading and dumping would lose comments, quotes and order, so the file stays bytes: the
parser's events tell where each value begins and ends, and only those bytes are replaced.
Only syntax counts here; what the rest of the file means may be wrong.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from yaml.events import AliasEvent, MappingStartEvent, ScalarEvent

from assay.errors import InputError
from assay.yaml_document import STRING_TAG, YamlDocument, tag_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A string in a YAML file, and where it stands."""

    value: str
    start: int
    """Offset in bytes of its first character, the opening quote included."""
    end: int
    """Offset in bytes just past its last character, the closing quote included."""
    line: int
    """1-based."""
    quote: str
    """`'`, `"`, or nothing."""


def find_scalars(
    raw: bytes, *, section: str, keys: Collection[str], path: Path
) -> dict[str, Scalar]:
    """The strings at `keys` of the mapping `section`; a key that is missing is left out.

    Args:
        raw: The file's bytes.
        section: A key at the top of the document.
        keys: Keys in that section.
        path: The file's name, for messages.

    Raises:
        InputError: The bytes are not UTF-8 or not one YAML document, the section is missing,
            one of these keys is given twice, or its value is not a plain or quoted string
            (an alias, anchor, tag, merge key or block scalar would make one value stand for
            several, or change with its indentation).
    """
    document = YamlDocument(raw, path)
    root = document.root()
    inside = document.entries(root, {section}).get(section)
    if inside is None:
        document.refuse(root, f"there is no section `{section}`", f"add `{section}:`")
    event = document.events[inside]
    if not isinstance(event, MappingStartEvent) or event.anchor or event.tag:
        document.refuse(
            inside,
            f"`{section}` must be a mapping, written out",
            "write its keys here, without an alias, anchor or tag",
        )
    found = document.entries(inside, {*keys, "<<"})
    if "<<" in found:
        document.refuse(
            found["<<"], f"`{section}` takes keys from elsewhere (`<<`)", "write its keys out here"
        )
    return {key: _scalar(document, position, key) for key, position in found.items()}


def rewrite_scalars(raw: bytes, new_values: Mapping[Scalar, str], *, path: Path) -> bytes:
    """`raw` with other strings at some of its scalars, each in the quotes it had.

    Args:
        raw: The bytes that the scalars were found in.
        new_values: What each shall be; characters that need no escape in quotes.
        path: The file's name, for messages.

    Raises:
        InputError: The result would not read as the same file with just these values changed.
    """
    rewritten = raw
    for scalar in sorted(new_values, key=lambda scalar: scalar.start, reverse=True):
        literal = _literal(new_values[scalar], scalar.quote)
        rewritten = rewritten[: scalar.start] + literal.encode() + rewritten[scalar.end :]
    _check_nothing_else_differs(raw, rewritten, new_values=new_values, path=path)
    return rewritten


def _literal(value: str, quote: str) -> str:
    # A bare `1:30` would read as the number 90.
    if not quote and tag_of(value) != STRING_TAG:
        quote = '"'
    return f"{quote}{value}{quote}"


def _scalar(document: YamlDocument, position: int, key: str) -> Scalar:
    event = document.events[position]
    problem = None
    if isinstance(event, AliasEvent):
        problem = f"is an alias (*{event.anchor})"
    elif not isinstance(event, ScalarEvent):
        problem = "must be a string"
    elif event.anchor is not None or event.tag is not None:
        problem = "bears an anchor or a tag"
    elif event.style in ("|", ">"):
        problem = "is a block scalar"
    elif tag_of(event.value, event.implicit) != STRING_TAG:
        problem = f"must be a string, not {event.value or 'empty'}"
    if problem is not None or not isinstance(event, ScalarEvent):
        mend = f'write it out on one line, such as {key}: "support:v13"'
        document.refuse(position, f"`{key}` {problem}", mend)
    start, end = document.span(position)
    return Scalar(
        value=event.value,
        start=start,
        end=end,
        line=document.line(position),
        quote=event.style or "",
    )


def _check_nothing_else_differs(
    before: bytes, after: bytes, *, new_values: Mapping[Scalar, str], path: Path
) -> None:
    """The bytes outside the scalars are equal by construction; so must be what they mean."""
    old, new = YamlDocument(before, path).shapes(), YamlDocument(after, path).shapes()
    changes = sorted(new_values.items(), key=lambda change: change[0].start)
    expected = [(scalar.value, value) for scalar, value in changes if scalar.value != value]
    differing = [(was, now) for was, now in zip(old, new, strict=False) if was != now]
    if (
        len(old) != len(new)
        or [(was.value, now.value) for was, now in differing] != expected
        or any(was._replace(value=now.value) != now for was, now in differing)
    ):
        raise InputError(
            f"cannot be rewritten safely to {', '.join(new_values.values())}",
            path=path,
            mend="write both values in double quotes, on one line each",
        )
