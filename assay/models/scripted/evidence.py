"""What a run has done and learnt so far: read from its messages, kept nowhere else."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from assay.models.scripted.offered import Role
from assay.models.scripted.once import Once
from assay.models.scripted.pages import Hit, Page
from assay.models.scripted.results import Outcome, Result, read_result


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One conversation, as far as it has come."""

    system_prompt: str
    said: tuple[str, ...]
    """The customer's messages, oldest first."""
    step: int
    """Responses of the model so far."""
    results: tuple[Result, ...]

    def of(self, role: Role, outcome: Outcome | None = None) -> list[Result]:
        """The results of one kind of tool, in order."""
        return [
            each
            for each in self.results
            if each.role is role and (outcome is None or each.outcome is outcome)
        ]

    def hits(self) -> dict[str, Hit]:
        """Every hit of every search by id, in the order in which they came up."""
        return {hit.id: hit for result in self.of(Role.SEARCH) for hit in result.hits}

    def pages(self) -> dict[str, Page]:
        """Every article that was read, by id."""
        return {each.target: each.page for each in self.results if each.page is not None}

    def gaps(self) -> list[Result]:
        """Results that were missing or failed and that no later call made good."""
        good = {(each.role, each.target) for each in self.results if each.outcome is Outcome.FOUND}
        return [
            each
            for each in self.results
            if each.outcome is not Outcome.FOUND and (each.role, each.target) not in good
        ]


class Reader:
    """Reads one run's conversation as it grows; what a tool returned is parsed once."""

    __slots__ = ("_parsed",)

    def __init__(self) -> None:
        self._parsed: Once[ToolReturnPart, Result | None] = Once(read_result)

    def gather(self, messages: Iterable[ModelMessage]) -> Evidence:
        """What is known by now; whatever is not understood is left out."""
        system: list[str] = []
        said: list[str] = []
        results: list[Result] = []
        asked: dict[str, tuple[str, int]] = {}
        step = 0
        for message in messages:
            if isinstance(message, ModelResponse):
                asked |= {id_: (target, step) for id_, target in _asked(message)}
                step += 1
                continue
            system += _system_texts(message)
            said += [_spoken(part) for part in message.parts if isinstance(part, UserPromptPart)]
            for part in message.parts:
                if isinstance(part, ToolReturnPart) and (result := self._parsed(part)):
                    target, at = asked.get(part.tool_call_id, ("", step - 1))
                    results.append(replace(result, target=target, step=at))
        return Evidence(
            system_prompt="\n".join(system), said=tuple(said), step=step, results=tuple(results)
        )


def _asked(response: ModelResponse) -> Iterator[tuple[str, str]]:
    """Id and target of each call: its first argument says what it is about."""
    for part in response.parts:
        if isinstance(part, ToolCallPart):
            values = part.args_as_dict().values()
            yield part.tool_call_id, next((str(v) for v in values if isinstance(v, str | int)), "")


def _system_texts(message: ModelRequest) -> list[str]:
    parts = [part.content for part in message.parts if isinstance(part, SystemPromptPart)]
    return [*parts, message.instructions] if message.instructions else parts


def _spoken(part: UserPromptPart) -> str:
    if isinstance(part.content, str):
        return part.content
    return "\n".join(item for item in part.content if isinstance(item, str))
