"""Settings of a request to an OpenAI-compatible server: what may be set, and its JSON."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_ai.settings import ModelSettings

from assay.errors import InputError

MaxTokensField = Literal["max_tokens", "max_completion_tokens"]
_SENT_AS_THEY_ARE = (
    "temperature",
    "top_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
)
_SENT_WITH_TOOLS = ("parallel_tool_calls", "tool_choice")
"""Servers refuse these in a request that offers no tools."""
_OURS = ("model", "messages", "tools", "stream")
"""Keys of a request that `extra_body` must not replace."""

Tokens = Annotated[int, Field(gt=0)]


class ChatSettings(BaseModel):
    """`agent.model_settings` for an OpenAI-compatible server."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    temperature: float | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: Tokens | None = None
    """Longest answer, in tokens."""
    max_completion_tokens: Tokens | None = None
    """The same, for servers that know it by this name only."""
    seed: int | None = None
    """Given: every run's seed. Null: no seed is sent. Left out: each run has its own."""
    stop_sequences: list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, int] | None = None
    parallel_tool_calls: bool | None = None
    tool_choice: Literal["auto", "required", "none"] | None = None
    timeout: float | None = Field(default=None, gt=0)
    """Seconds for one request."""
    extra_body: dict[str, Any] | None = None
    """Further keys of the request, sent as they are."""

    @field_validator("extra_body")
    @classmethod
    def _leaves_ours_alone(cls, extra: dict[str, Any] | None) -> dict[str, Any] | None:
        if taken := [key for key in extra or {} if key in _OURS]:
            raise ValueError(f"{taken[0]!r} is set by Assay")
        return extra


def check_chat_settings(settings: Mapping[str, Any]) -> tuple[ModelSettings, MaxTokensField | None]:
    """The settings as pydantic-ai names them, and the name of `max_tokens` if they tell it.

    Raises:
        InputError: A key is unknown, or a value is of the wrong type or out of range.
    """
    try:
        checked = ChatSettings.model_validate(dict(settings))
    except ValidationError as error:
        raise _refusal(error) from None
    known = checked.model_dump(exclude_unset=True)
    limit = known.pop("max_completion_tokens", None)
    if limit is None:
        return ModelSettings(**known), None  # type: ignore[typeddict-item]
    return ModelSettings(**{**known, "max_tokens": limit}), "max_completion_tokens"  # type: ignore[typeddict-item]


def wire_settings(
    settings: ModelSettings, *, max_tokens_field: MaxTokensField, with_tools: bool
) -> dict[str, Any]:
    """The request's keys beside `model`, `messages` and `tools`; what is None is left out."""
    given: Mapping[str, Any] = settings
    keys = _SENT_AS_THEY_ARE + (_SENT_WITH_TOOLS if with_tools else ())
    sent = {key: given[key] for key in keys if given.get(key) is not None}
    if (limit := given.get("max_tokens")) is not None:
        sent[max_tokens_field] = limit
    if stops := given.get("stop_sequences"):
        sent["stop"] = stops
    return {**sent, **(given.get("extra_body") or {})}


def _refusal(error: ValidationError) -> InputError:
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        known = ", ".join(ChatSettings.model_fields)
        return InputError(
            f"agent.model_settings.{key}: unknown setting",
            mend=f"known are {known}; anything else goes under `extra_body`",
        )
    return InputError(f"agent.model_settings.{key}: {first['msg']}", mend="correct the value")
