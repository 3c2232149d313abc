"""The types of checks there are, and what the value of each must be.

Names and values are promptfoo's, so that its users know them already.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

import regex  # type: ignore[import-untyped]
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from assay.hostile import checked_schema
from assay.validation import Section, Several, Text, refusal, refusal_from
from assay.wording import did_you_mean

NOT = "not-"
NOT_YET = ("python",)
"""Types that golden tasks may name one day."""

JUDGED = ("llm-rubric", "similar")
"""Types that are decided after the run, by a model: what they say can be wrong."""
DEFAULT_SIMILARITY = 0.75

Value = TypeVar("Value")
Bound = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Range(Section):
    """How many there may be."""

    min: Bound | None = None
    max: Bound | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min is None and self.max is None:
            raise refusal("there is neither a min nor a max", mend="give at least one of them")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise refusal(
                f"min {self.min} is above max {self.max}",
                mend=f"swap them, or write {NOT} before the type if it must not happen",
            )
        return self

    def holds(self, number: int) -> bool:
        """Whether `number` is within the range, both ends included."""
        return (self.min is None or number >= self.min) and (self.max is None or number <= self.max)


class ToolUse(Range):
    """A tool, and how often it is called; `*` and `?` in its name stand for any letters."""

    name: Text
    min: Bound | None = 1


class ToolSequence(Section):
    """Tools in the order of their calls."""

    steps: Several[Text] = Field(min_length=1)
    mode: Literal["exact", "in_order"] = "in_order"
    """`in_order` allows other calls between them."""


class ToolArgs(Section):
    """A call of a tool with these arguments."""

    name: Text
    args: dict[str, Any]
    mode: Literal["partial", "exact"] = "partial"
    """`partial` allows further arguments."""


class StepCount(Range):
    """Requests to the model, or with `type: tool` calls of tools."""

    type: Literal["tool"] | None = None


def _compiles(pattern: str) -> str:
    try:
        regex.compile(pattern)
    except (regex.error, OverflowError, RecursionError) as bad:
        raise refusal(f"{pattern!r} is no regular expression: {bad}") from None
    return pattern


def _range_of(value: object) -> object:
    exact = isinstance(value, int) and not isinstance(value, bool)
    return {"min": value, "max": value} if exact else value


def _tools_of(value: object) -> object:
    if isinstance(value, str):
        return ({"name": value},)
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return tuple({"name": name} for name in value)
    return (value,) if isinstance(value, Mapping) else value


def _steps_of(value: object) -> object:
    return {"steps": value} if isinstance(value, list) else value


def _text_or_json(value: object) -> object:
    if isinstance(value, str | dict | list):
        return value
    raise refusal("the value must be text, an object or a list", mend="put it in quotes")


class Given(Section, Generic[Value]):
    """A check's value, where it must have one."""

    value: Value


class Allowed(Section, Generic[Value]):
    """A check's value, where it may have one."""

    value: Value | None = None


class Rubric(Section):
    """What a judge holds an output to."""

    value: Text
    threshold: Share | None = None
    """Least score, from 0 to 1; None where the judge says yes or no."""


class Resemblance(Section):
    """A text that an output should mean the same as."""

    value: Text
    threshold: Share = DEFAULT_SIMILARITY
    """Least cosine of the angle between both texts' embeddings."""


_Texts = Annotated[Several[Text], Field(min_length=1)]
_Tools = Annotated[Several[ToolUse], Field(min_length=1), BeforeValidator(_tools_of)]
_Schema = Allowed[Annotated[Any, AfterValidator(checked_schema)]]

VALUES: Mapping[str, type[Given[Any] | Allowed[Any] | Rubric | Resemblance]] = {
    "equals": Given[Annotated[Any, AfterValidator(_text_or_json)]],
    "contains": Given[Text],
    "icontains": Given[Text],
    "contains-any": Given[_Texts],
    "contains-all": Given[_Texts],
    "icontains-any": Given[_Texts],
    "icontains-all": Given[_Texts],
    "regex": Given[Annotated[Text, AfterValidator(_compiles)]],
    "starts-with": Given[Text],
    "is-json": _Schema,
    "contains-json": _Schema,
    "word-count": Given[Annotated[Range, BeforeValidator(_range_of)]],
    "trajectory:tool-used": Given[_Tools],
    "trajectory:tool-sequence": Given[Annotated[ToolSequence, BeforeValidator(_steps_of)]],
    "trajectory:tool-args-match": Given[ToolArgs],
    "trajectory:step-count": Given[StepCount],
    "llm-rubric": Rubric,
    "similar": Resemblance,
}
"""Every type of check, without `not-`."""


def expected_by(check_type: str, given: Mapping[str, Any]) -> Any:
    """The value of a check in the form that its function takes.

    Args:
        check_type: With or without `not-`.
        given: The check's keys but for its type: `value`, `threshold`, or nothing.

    Raises:
        PydanticCustomError: There is no such type, or the value does not fit it.
    """
    base = check_type.removeprefix(NOT)
    if base in NOT_YET:
        raise refusal(
            f"check type {check_type!r} is not available yet",
            mend="use another check, such as icontains or regex",
            at=("type",),
        )
    if base not in VALUES:
        known = [prefix + name for name in VALUES for prefix in ("", NOT)]
        mend = did_you_mean(check_type, known if check_type.startswith(NOT) else VALUES)
        raise refusal(f"unknown check type {check_type!r}", mend=mend, at=("type",))
    try:
        fitting = VALUES[base].model_validate(given)
        return fitting if isinstance(fitting, Rubric | Resemblance) else fitting.value
    except ValidationError as refused:
        raise refusal_from(refused, VALUES[base], subject=f"check {check_type!r}") from None
