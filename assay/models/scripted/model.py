"""The simulation itself: a pydantic-ai model that needs no network and no weights."""

from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from assay.models.scripted.answer import compose
from assay.models.scripted.chance import Chance
from assay.models.scripted.evidence import Reader
from assay.models.scripted.findings import Findings
from assay.models.scripted.instructions import read_instructions
from assay.models.scripted.offered import Role, recognise
from assay.models.scripted.once import Once
from assay.models.scripted.policy import next_calls
from assay.models.scripted.question import read_question
from assay.models.scripted.scene import Scene
from assay.models.scripted.tokens import message_tokens, response_tokens, tools_tokens
from assay.records import RunKey


class ScriptedModel(Model[Any]):
    """A simulation of a language model in a tool loop, for one run.

    It is a small rule-based agent that does what the prompt's text asks for, with
    the tools it is offered. What it does next follows from the messages, the run's
    key and the number of responses so far: it remembers nothing between requests,
    so that a run resumed from its messages goes on as it would have.

    Args:
        key: Which run this is; all chance hangs on it, but not on `evaluation_id`.
    """

    def __init__(self, key: RunKey) -> None:
        super().__init__()
        self._chance = Chance(key)
        self._reader = Reader()
        self._message_tokens = Once(message_tokens)
        self._tools_tokens = Once(tools_tokens)

    @property
    def model_name(self) -> str:
        """`scripted`: a simulation, not a language model."""
        return "scripted"

    @property
    def system(self) -> str:
        """Who provides it, as OpenTelemetry's `gen_ai.provider.name`."""
        return "assay"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The next step of the conversation: tool calls, or the answer that ends it."""
        del model_settings  # a rule-based agent has no temperature
        scene = self._scene(messages, model_request_parameters)
        calls = next_calls(scene)
        step = scene.evidence.step
        response = ModelResponse(
            parts=[
                ToolCallPart(call.name, call.arguments, tool_call_id=f"call_{step}_{number}")
                for number, call in enumerate(calls)
            ]
            or [TextPart(compose(scene))],
            model_name=self.model_name,
            provider_name=self.system,
            finish_reason="tool_call" if calls else "stop",
        )
        response.usage = RequestUsage(
            input_tokens=self._tools_tokens(model_request_parameters)
            + sum(map(self._message_tokens, messages)),
            output_tokens=response_tokens(response),
        )
        return response

    def _scene(self, messages: list[ModelMessage], parameters: ModelRequestParameters) -> Scene:
        evidence = self._reader.gather(messages)
        question = read_question(evidence.said)
        tools = recognise(parameters.function_tools)
        return Scene(
            evidence=evidence,
            question=question,
            findings=Findings(question, evidence, can_read=Role.READ in tools),
            instructions=read_instructions(evidence.system_prompt),
            tools=tools,
            chance=self._chance,
        )
