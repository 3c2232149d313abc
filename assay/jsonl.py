"""Users' JSONL files: one object a line, every error with its line."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from assay.documents import decode
from assay.errors import InputError

MAX_LINE_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a JSONL file."""

    value: dict[str, Any]
    line: int
    """1-based."""


def parse_jsonl(raw: bytes, *, path: Path) -> Iterator[Row]:
    """Read the objects in `raw`, in order; blank lines are skipped.

    Args:
        raw: The file's bytes; CRLF and a byte-order mark are fine.
        path: The file's name, for messages.

    Raises:
        InputError: A line is not UTF-8, not JSON or not an object, gives a key twice, or
            holds a number that JSON does not know (NaN, Infinity).
    """
    # Bytes, not text: U+2028 within a string ends no line.
    for line, content in enumerate(raw.split(b"\n"), start=1):
        if len(content) > MAX_LINE_BYTES:
            problem = f"the line has more than {MAX_LINE_BYTES:,} bytes"
            raise InputError(problem, path=path, line=line, mend="shorten it")
        text = decode(content, path=path, first_line=line)
        if text.strip():
            yield Row(json_object(text.strip(), path=path, line=line), line)


def json_object(text: str, *, path: Path, line: int) -> dict[str, Any]:
    """The object that one line is; `InputError` as `parse_jsonl` says."""
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite
        )
        json.dumps(value, ensure_ascii=False).encode()  # half a character cannot be stored
    except _Refused as refused:
        problem, mend = refused.args
    except json.JSONDecodeError as bad:
        problem = f"not valid JSON: {bad.msg[0].lower()}{bad.msg[1:]}, at column {bad.colno}"
        mend = "write each object whole, on one line of its own"
    except RecursionError:
        problem, mend = "nested too deeply", "flatten it"
    except ValueError as bad:  # digits without end, or half of a character
        problem, mend = f"cannot be read: {type(bad).__name__}", "shorten numbers, mend \\u escapes"
    else:
        if isinstance(value, dict):
            return value
        problem, mend = "this line is not a JSON object", 'begin it with {"id": '
    raise InputError(problem, path=path, line=line, mend=mend) from None


class _Refused(Exception):
    """What JSON allows, or Python's reader does, and we do not: problem, mend."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise _Refused(f"key {twice!r} is given twice", "delete one of the two")
    return values


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse(text: str) -> NoReturn:
    raise _Refused(f"{text[:30]} is not a number that JSON knows", "write a number, or null")
