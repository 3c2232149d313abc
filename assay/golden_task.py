"""A golden task: what a run is asked, and what it is held to."""

import hashlib
import json
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from assay.check_values import JUDGED, NOT, expected_by
from assay.validation import Section, Several, Text, refusal

HASH_DIGITS = 16
ROLES = ("user", "assistant", "system")
NOT_HASHED = {"category", "critical", "incident", "tags", "metadata"}
"""Keys that change neither what a run is asked nor what it is held to."""

BOUNDS = ("max_tool_calls", "max_tokens", "max_seconds", "max_spend_usd", "max_steps")
USUAL_STOP = "finish"

Limit = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0)]


def _plain_id(task_id: str) -> str:
    if not task_id.isprintable() or task_id != task_id.strip():
        raise refusal(
            f"task id {task_id!r} has white space or control characters in the wrong place",
            mend="use letters, digits, '_' and '-'",
        )
    return task_id


def _conversation(value: object) -> object:
    """A text, or chat messages as a tuple that ends with the user's."""
    if isinstance(value, str) and value.strip():
        return value
    messages = value if isinstance(value, list | tuple) else ()
    for number, message in enumerate(messages):
        if not _is_message(message):
            raise refusal(
                f"input[{number}] is not a chat message",
                mend=f'write {{"role": ..., "content": text}}, the role one of {", ".join(ROLES)}',
                at=(number,),
            )
    if not messages or messages[-1]["role"] != "user":
        raise refusal(
            "input must be text, or chat messages that end with the user's",
            mend='write "input": "what the customer says"',
        )
    return tuple(messages)


def _is_message(message: object) -> bool:
    return (
        isinstance(message, dict)
        and message.keys() == {"role", "content"}
        and message["role"] in ROLES
        and isinstance(message["content"], str)
    )


TaskId = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_plain_id)]


class Check(Section):
    """One thing that must be true of a run for it to count as a success."""

    type: Text
    """A name that promptfoo knows, such as `icontains`; `not-` before it inverts it."""
    value: Any = None
    """What the type needs: a text, a list of texts, a JSON Schema."""
    threshold: float | None = None
    """For `llm-rubric` and `similar`: the least score that passes."""
    _expected: Any = PrivateAttr()

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        given = {"value": self.value} if "value" in self.model_fields_set else {}
        if self.threshold is not None:
            given["threshold"] = self.threshold
        self._expected = expected_by(self.type, given)
        return self

    @model_serializer(mode="wrap")
    def _without_an_empty_threshold(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Hashes of golden tasks stay what they were before there were thresholds."""
        content: dict[str, Any] = dump(self)
        if content.get("threshold") is None:
            content.pop("threshold", None)
        return content

    @property
    def base(self) -> str:
        """The type without `not-`."""
        return self.type.removeprefix(NOT)

    @property
    def is_inverted(self) -> bool:
        """Whether the type begins with `not-`."""
        return self.type.startswith(NOT)

    @property
    def is_judged(self) -> bool:
        """Whether a model decides it, after the run."""
        return self.base in JUDGED

    @property
    def expected(self) -> Any:
        """The value in the form that the check's function takes."""
        return self._expected


class GoldenTask(Section):
    """One test case, run with every prompt under comparison.

    Its bounds are looked at after a run and never stop it; budgets stop it.
    """

    id: TaskId = Field(examples=["late_parcel"])
    """Unique; the runs of both prompts are paired on it."""
    input: Annotated[str | tuple[dict[str, str], ...], BeforeValidator(_conversation)] = Field(
        examples=["Where is my parcel?"]
    )
    """What the customer says, or chat messages `{role, content}` that end with theirs."""
    category: Text | None = None
    """Kind of traffic that the task stands for."""
    expect_stop_reason: Text = USUAL_STOP
    """How a run has to end."""
    max_tool_calls: Annotated[int, Field(ge=0)] | None = None
    """Bound on a run's tool calls."""
    max_tokens: Limit | None = None
    """Bound on a run's input and output tokens."""
    max_seconds: Amount | None = None
    """Bound on a run's seconds of work."""
    max_spend_usd: Amount | None = None
    """Bound on a run's US dollars."""
    max_steps: Limit | None = None
    """Bound on a run's requests to the model."""
    checks: Several[Check] = ()
    """All of them must pass."""
    critical: bool = False
    """The task must not break."""
    incident: Text | None = None
    """The past incident that the task guards against; it makes the task critical."""
    tags: Several[Text] = ()
    """Words to select tasks by."""
    metadata: dict[str, Any] = Field(default_factory=dict)
    """Anything else; agents of the kinds `python`, `http` and `command` are told it."""

    @property
    def is_critical(self) -> bool:
        """Whether a candidate that breaks this task is rejected for that alone."""
        return self.critical or self.incident is not None

    @property
    def judged_checks(self) -> list[Check]:
        """The checks that a model decides, after the run."""
        return [check for check in self.checks if check.is_judged]

    @property
    def asks_a_judge(self) -> bool:
        """Whether a language model has to be asked about its outputs."""
        return any(check.base == "llm-rubric" for check in self.checks)

    @property
    def is_firm(self) -> bool:
        """Whether it is held to anything that needs no judge, beside ending by itself."""
        bounds = (getattr(self, name) for name in BOUNDS)
        is_bounded = any(bound is not None for bound in bounds)
        has_plain_check = len(self.judged_checks) < len(self.checks)
        return is_bounded or has_plain_check or self.expect_stop_reason != USUAL_STOP

    @property
    def hash(self) -> str:
        """16 hex digits over what a run is asked and what it is held to."""
        content = self.model_dump(mode="json", exclude=NOT_HASHED)
        content["critical"] = self.is_critical
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:HASH_DIGITS]
