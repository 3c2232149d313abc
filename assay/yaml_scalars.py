"""Find a few values in a YAML file and rewrite nothing but their characters.

Loading and dumping would lose comments, quotes and order, so the file stays bytes: the
parser's events tell where each value begins and ends, and only those bytes are replaced.
Only syntax counts here; what the rest of the file means may be wrong.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from yaml.events import AliasEvent, MappingStartEvent, ScalarEvent

from assay.errors import InputError
from assay.yaml_document import BOOL_TAG, NULL_TAG, NUMBER_TAGS, STRING_TAG, YamlDocument, tag_of

Value = str | float | bool | None
_KINDS = {
    STRING_TAG: "a string",
    NULL_TAG: "null",
    NUMBER_TAGS[0]: "a number",
    BOOL_TAG: "true or false",
}
"""What may stand at a key, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A value in a YAML file, and where it stands."""

    value: str
    """As it is written, without quotes."""
    tag: str
    """What it is loaded as: `STRING_TAG`, or another that was asked for."""
    start: int
    """Offset in bytes of its first character, the opening quote included."""
    end: int
    """Offset in bytes just past its last character, the closing quote included."""
    line: int
    """1-based."""
    quote: str
    """`'`, `"`, or nothing."""


def find_scalars(
    raw: bytes,
    *,
    section: str,
    keys: Collection[str],
    path: Path,
    tags: Collection[str] = (STRING_TAG,),
    mend: str | None = None,
) -> dict[str, Scalar]:
    """The values at `keys` of the mapping `section`; a key that is missing is left out.

    Args:
        raw: The file's bytes.
        section: A key at the top of the document, or one in it: `rollout.canary`.
        keys: Keys in that section.
        path: The file's name, for messages.
        tags: What the values may be loaded as.
        mend: What to do where the section is missing.

    Raises:
        InputError: The bytes are not UTF-8 or not one YAML document, the section is missing,
            one of these keys is given twice, or its value is not plain or quoted and of
            these tags (an alias, anchor, tag, merge key or block scalar would make one value
            stand for several, or change with its indentation).
    """
    document = YamlDocument(raw, path)
    inside = _section(document, section, mend)
    found = document.entries(inside, {*keys, "<<"})
    _refuse_merge(document, found, section)
    return {key: _scalar(document, position, key, tags) for key, position in found.items()}


def _section(document: YamlDocument, section: str, mend: str | None) -> int:
    """Index of the event that opens the section's mapping."""
    inside, walked = document.root(), ""
    for name in section.split("."):
        found = document.entries(inside, {name, "<<"} if walked else {name})
        _refuse_merge(document, found, walked)
        walked = f"{walked}.{name}".removeprefix(".")
        if name not in found:
            problem = f"there is no section `{walked}`"
            document.refuse(inside, problem, mend or f"add `{name}:`")
        inside = found[name]
        event = document.events[inside]
        if not isinstance(event, MappingStartEvent) or event.anchor or event.tag:
            document.refuse(
                inside,
                f"`{walked}` must be a mapping, written out",
                "write its keys here, without an alias, anchor or tag",
            )
    return inside


def _refuse_merge(document: YamlDocument, found: Mapping[str, int], section: str) -> None:
    if "<<" in found:
        document.refuse(
            found["<<"], f"`{section}` takes keys from elsewhere (`<<`)", "write its keys out here"
        )


def rewrite_scalars(raw: bytes, new_values: Mapping[Scalar, Value], *, path: Path) -> bytes:
    """`raw` with other values at some of its scalars, strings in the quotes they had.

    Args:
        raw: The bytes that the scalars were found in.
        new_values: What each shall be; characters that need no escape in quotes.
        path: The file's name, for messages.

    Raises:
        InputError: The result would not read as the same file with just these values changed.
    """
    rewritten = raw
    for scalar in sorted(new_values, key=lambda scalar: scalar.start, reverse=True):
        literal = _literal(new_values[scalar], scalar)
        rewritten = rewritten[: scalar.start] + literal.encode() + rewritten[scalar.end :]
    _check_nothing_else_differs(raw, rewritten, new_values=new_values, path=path)
    return rewritten


def _literal(value: Value, scalar: Scalar) -> str:
    if not isinstance(value, str):
        return _plain(value)
    # A bare `1:30` would read as the number 90.
    is_bare = tag_of(value) == STRING_TAG and scalar.tag == STRING_TAG
    quote = scalar.quote or ("" if is_bare else '"')
    return f"{quote}{value}{quote}"


def _plain(value: Value) -> str:
    """As it is written without quotes; never with an exponent, which YAML 1.1 reads as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else format(Decimal(repr(value)), "f")


def _tag(value: Value) -> str:
    return STRING_TAG if isinstance(value, str) else tag_of(_plain(value))


def _scalar(document: YamlDocument, position: int, key: str, tags: Collection[str]) -> Scalar:
    event = document.events[position]
    wanted = " or ".join(words for tag, words in _KINDS.items() if tag in tags)
    tag = tag_of(event.value, event.implicit) if isinstance(event, ScalarEvent) else ""
    problem = None
    if isinstance(event, AliasEvent):
        problem = f"is an alias (*{event.anchor})"
    elif not isinstance(event, ScalarEvent):
        problem = f"must be {wanted}"
    elif event.anchor is not None or event.tag is not None:
        problem = "bears an anchor or a tag"
    elif event.style in ("|", ">"):
        problem = "is a block scalar"
    elif tag not in tags or not (event.value or event.style):
        problem = f"must be {wanted}, not {event.value or 'empty'}"
    if problem is not None or not isinstance(event, ScalarEvent):
        example = '"support:v13"' if STRING_TAG in tags else "0.05"
        document.refuse(
            position, f"`{key}` {problem}", f"write it out on one line, such as {key}: {example}"
        )
    start, end = document.span(position)
    return Scalar(
        value=event.value,
        tag=tag,
        start=start,
        end=end,
        line=document.line(position),
        quote=event.style or "",
    )


def _check_nothing_else_differs(
    before: bytes, after: bytes, *, new_values: Mapping[Scalar, Value], path: Path
) -> None:
    """The bytes outside the scalars are equal by construction; so must be what they mean."""
    old, new = YamlDocument(before, path).shapes(), YamlDocument(after, path).shapes()
    changes = sorted(new_values.items(), key=lambda change: change[0].start)
    meant = [
        ((scalar.value, scalar.tag), (_plain(value), _tag(value))) for scalar, value in changes
    ]
    expected = [(was, now) for was, now in meant if was != now]
    differing = [(was, now) for was, now in zip(old, new, strict=False) if was != now]
    found = [
        ((was.value, was.resolved_tag), (now.value, now.resolved_tag)) for was, now in differing
    ]
    if (
        len(old) != len(new)
        or found != expected
        or any(
            was._replace(value=now.value, resolved_tag=now.resolved_tag) != now
            for was, now in differing
        )
    ):
        raise InputError(
            f"cannot be rewritten safely to {', '.join(map(_plain, new_values.values()))}",
            path=path,
            mend="write both values in double quotes, on one line each",
        )
