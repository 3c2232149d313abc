"""What the columns of a run log hold, as what a decision reads: numbers, yes or no, text.

Missing stays missing: a null, a NaN or an empty cell is never 0 and never a failure.
"""

import math
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.errors import InputError
from assay.wording import one_line

YES = ("true", "t", "yes", "y", "pass", "passed", "success", "1", "1.0")
NO = ("false", "f", "no", "n", "fail", "failed", "failure", "0", "0.0")
UNKNOWN = ("", "null", "none", "nan", "n/a", "na")


MOST = 1e15
"""More than any run can use, and far from where the square of a square has no number."""
LEAST = 1e-15
"""Less than this is nothing, for the same reason."""

LATEST_S = 1e11
"""Seconds since 1970 that no clock shows before the year 5138: more must be milliseconds."""
TIME = pa.timestamp("us", tz="UTC")
TEXTS = pa.dictionary(pa.int32(), pa.string())


class Unfit(Exception):
    """The column's type cannot hold what is looked for; another column may."""


def numbers(column: pa.ChunkedArray, *, name: str) -> pa.ChunkedArray:
    """Float64, finite and >= 0; null where it is not known.

    Args:
        column: Of the log.
        name: Its name, for messages.

    Raises:
        Unfit: It holds no numbers.
        InputError: A value is no number, negative, or impossibly large.
    """
    column = _plain(column)
    if not (_is_number(column.type) or pa.types.is_string(column.type)):
        raise Unfit(f"holds {column.type}")
    if pa.types.is_string(column.type):
        column = _without_unknown(column)
    try:
        values = pc.cast(column, pa.float64(), safe=False)
    except pa.ArrowException:
        raise _no_number(column, name) from None
    is_nothing = pc.and_(pc.greater(values, 0.0), pc.less(values, LEAST))
    if pc.any(is_nothing).as_py():
        values = pc.if_else(is_nothing, 0.0, values)
    is_nan = pc.is_nan(values)
    if pc.any(is_nan).as_py():
        values = pc.if_else(is_nan, pa.scalar(None, pa.float64()), values)
    limits = pc.min_max(values)
    if limits["min"].as_py() is not None:
        _require_amounts(values, limits, name)
    return values


def counts(column: pa.ChunkedArray, *, name: str) -> pa.ChunkedArray:
    """As `numbers`; of lists (the tool calls themselves) their lengths."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return pc.cast(pc.list_value_length(column), pa.float64())
    return numbers(column, name=name)


def calls_in(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """How many tools the messages of each run call; None where it holds no such messages.

    Args:
        column: Lists of messages, of which some have a list of `tool_calls`.
    """
    runs = column.combine_chunks()
    kind = runs.type.value_type if pa.types.is_list(runs.type) else pa.null()
    if not pa.types.is_struct(kind) or kind.get_field_index("tool_calls") < 0:
        return None
    calls = pc.struct_field(pc.list_flatten(runs), "tool_calls")
    if not pa.types.is_list(calls.type):
        return None
    of_each = pc.fill_null(pc.list_value_length(calls), 0).to_numpy()
    owners = pc.list_parent_indices(runs).to_numpy()
    totals = np.bincount(owners, weights=of_each, minlength=len(runs))
    return pa.chunked_array([pa.array(totals, mask=pc.is_null(runs).to_numpy(False))])


def texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Strings, each distinct one stored once.

    Raises:
        Unfit: It holds lists or the like.
    """
    if column.type.equals(TEXTS):
        return column.unify_dictionaries()
    try:
        return pc.cast(_plain(column), pa.string()).dictionary_encode()
    except pa.ArrowException:
        raise Unfit(f"holds {column.type}") from None


def yes_or_no(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """True, false or null, from booleans, 1 and 0, or words such as `pass`.

    Raises:
        Unfit: It holds anything else: what a grade of 0.5 means we could not know.
    """
    column = _plain(column)
    if pa.types.is_boolean(column.type):
        return column
    if pa.types.is_string(column.type):
        return _from_words(column)
    if not _is_number(column.type):
        raise Unfit(f"holds {column.type}")
    values = pc.cast(column, pa.float64(), safe=False)
    values = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
    is_yes, is_no = pc.equal(values, 1.0), pc.equal(values, 0.0)
    if not pc.all(pc.or_(is_yes, is_no), min_count=0).as_py():
        raise Unfit("holds numbers other than 0 and 1")
    return is_yes


def known_amounts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """As `counts`; what is no amount is not known.

    Raises:
        Unfit: It holds no numbers.
    """
    try:
        return counts(column, name="")
    except InputError:
        values = [_amount(each) for each in _plain(column).to_pylist()]
        return pa.chunked_array([pa.array(values, pa.float64())])


def known_yes_or_no(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """As `yes_or_no`; of words those that are neither are not known."""
    column = _plain(column)
    if not pa.types.is_string(column.type):
        return yes_or_no(column)
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(column))
    is_yes, is_no = (pc.is_in(lower, value_set=pa.array(words)) for words in (YES, NO))
    if not pc.any(pc.or_(is_yes, is_no), min_count=0).as_py():
        raise Unfit("holds words that are neither yes nor no")
    return pc.if_else(pc.or_(is_yes, is_no), is_yes, pa.scalar(None, pa.bool_()))


def moments(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times in UTC, to the microsecond; what is none is not known.

    Without a time zone they are taken for UTC. Numbers are seconds since 1970, or milli-,
    micro- or nanoseconds if they are so large.

    Raises:
        Unfit: It holds no times.
    """
    column = _plain(column)
    if pa.types.is_timestamp(column.type):
        plain = pc.cast(column, pa.timestamp("us", tz=column.type.tz), safe=False)
        return pc.cast(plain, TIME) if plain.type.tz else pc.assume_timezone(plain, "UTC")
    if not (_is_number(column.type) or pa.types.is_string(column.type)):
        raise Unfit(f"holds {column.type}")
    times = [_moment(each) for each in column.to_pylist()]
    if times and not any(times):
        raise Unfit("holds no times")
    return pa.chunked_array([pa.array(times, TIME)])


def _moment(value: str | float | Decimal | None) -> datetime | None:
    try:
        if isinstance(value, str) and not value.strip().replace(".", "", 1).isdigit():
            at = datetime.fromisoformat(value.strip())
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        seconds = float(value or math.nan)
        while seconds > LATEST_S:
            seconds /= 1000
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _amount(value: str | float | None) -> float | None:
    try:
        number = float(value if value is not None else math.nan)
    except ValueError:
        return None
    return number if 0 <= number <= MOST else None


def _from_words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    lower = pc.utf8_lower(_without_unknown(column))
    is_yes, is_no = (pc.is_in(lower, value_set=pa.array(words)) for words in (YES, NO))
    known = pc.is_valid(lower)
    if pc.any(pc.and_(known, pc.invert(pc.or_(is_yes, is_no))), min_count=0).as_py():
        raise Unfit("holds words that are neither yes nor no")
    return pc.if_else(known, is_yes, pa.scalar(None, pa.bool_()))


def _require_amounts(values: pa.ChunkedArray, limits: pa.StructScalar, name: str) -> None:
    if limits["min"].as_py() >= 0 and limits["max"].as_py() <= MOST:
        return
    wrong = pc.or_(pc.less(values, 0.0), pc.greater(values, MOST))
    row = pc.index(wrong, True).as_py()
    problem = f"column {one_line(name)}: run {row + 1} holds {values[row].as_py():g}"
    mend = f"amounts are not negative, and at most {MOST:g}; null is not known"
    raise InputError(problem, mend=mend)


def _no_number(column: pa.ChunkedArray, name: str) -> InputError:
    """The first of these texts that is none."""
    for number, text in enumerate(column.to_pylist(), start=1):
        try:
            pa.scalar(text, pa.string()).cast(pa.float64())
        except pa.ArrowException:
            shown = one_line(text, max_chars=60)
            problem = f"column {one_line(name)}: run {number} holds {shown!r}, which is no number"
            break
    else:
        problem = f"column {one_line(name)} holds something that is no number"
    return InputError(problem, mend="write numbers, and null where it is not known")


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Without dictionaries, and with one type of string."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    is_text = pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type)
    return pc.cast(column, pa.string()) if is_text else column


def _without_unknown(column: pa.ChunkedArray) -> pa.ChunkedArray:
    trimmed = pc.utf8_trim_whitespace(column)
    unknown = pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(UNKNOWN))
    return pc.if_else(unknown, pa.scalar(None, pa.string()), trimmed)


def _is_number(kind: pa.DataType) -> bool:
    return any(
        of(kind)
        for of in (
            pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null,
        )
    )  # fmt: skip
