"""What the three APIs have in common: a request that can be changed, an answer that counts."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from assay.agents.proxy.reading import count_of

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counted them; None where it does not say."""

    input_tokens: int | None = None
    """Cached ones included."""
    output_tokens: int | None = None
    """Reasoning included."""
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What one answer of a model says."""

    usage: Usage = field(default_factory=Usage)
    calls: tuple[tuple[str, str], ...] = ()
    """Name and arguments of each tool that the model wants to have called."""
    is_cut_off: bool = False
    """Whether the limit on the answer's length ended it."""


class Assembly(Protocol):
    """A streamed answer, put together again."""

    message: Json
    """As it would have been, had it not been streamed; what has come so far."""
    has_ended: bool
    """Whether the provider has said that this was all."""
    has_failed: bool
    """Whether the provider has said in the stream that it failed."""

    def take(self, data: Json) -> None:
        """One event's data."""


class Dialect(Protocol):
    """One API of a provider."""

    def wanted_output(self, body: Json) -> int | None:
        """Most tokens that the agent wants as an answer; None where it does not say."""

    def least_output(self, body: Json) -> int:
        """The lowest limit that the API takes."""

    def limit_output(self, body: Json, most: int, *, host: str) -> None:
        """Bring the limit down to `most`."""

    def inject(self, body: Json, prompt: str) -> None:
        """Put `prompt` in place of the request's system prompt."""

    def ask_for_usage(self, body: Json) -> bool:  # noqa: ARG002
        """Have a stream tell its usage; True where the agent must not see what comes of it."""
        return False

    def is_usage_only(self, data: Json) -> bool:  # noqa: ARG002
        """Whether an event is there only because of `ask_for_usage`."""
        return False

    def assembly(self) -> Assembly:
        """For a stream."""

    def read(self, message: Json) -> Reply:
        """What a whole answer says."""

    def refusal(self, code: str, words: str) -> Json:
        """An error as the provider writes them."""


def bring_down(body: Json, name: str, most: int) -> int:
    """Make `most` of a limit that is higher, or not there; the limit as it is then."""
    asked = count_of(body.get(name))
    limit = body[name] = most if asked is None else min(asked, most)
    return limit
