"""What `judge` in `assay.yaml` may be: the model that decides `llm-rubric` checks."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from assay.agent_sections import Count
from assay.endpoints import Address
from assay.token_prices import ModelPrices
from assay.validation import Section, Text, refusal
from assay.variables import VariableName

SIMULATED = "scripted"


class JudgeSection(Section):
    """A model that judges outputs: its own key, its own budget, none of the agent's tokens."""

    model: Text | None = Field(default=None, examples=["openai:gpt-5-mini"])
    """A model's name such as `openai:gpt-5-mini`, or `local`; `llm-rubric` checks need one."""
    base_url: Address | None = None
    """Address of an OpenAI-compatible server, where it is not the provider's own."""
    api_key_env: VariableName | None = None
    """Name of the environment variable that holds the key; never the key itself."""
    model_settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of each request, such as `temperature`."""
    prices: ModelPrices | None = None
    """Its prices, used before those of genai-prices."""
    repeats: Count = 3
    """Times that each check is judged, an odd number; the majority decides."""
    max_tokens: Count = 1000
    """Longest answer, in tokens; a reasoning model's thoughts are among them."""
    max_spend_usd: Annotated[float, Field(gt=0)] | None = None
    """US dollars that judging may cost in one evaluation; needs a model whose price is known."""
    max_concurrency: Count = 8
    """Questions at the same time."""

    @field_validator("model")
    @classmethod
    def _is_no_simulation(cls, model: str | None) -> str | None:
        if model == SIMULATED:
            raise refusal(
                "judge.model is 'scripted', a simulation that can judge nothing",
                mend="name a real model, such as openai:gpt-5-mini",
            )
        return model

    @field_validator("repeats")
    @classmethod
    def _cannot_tie(cls, repeats: int) -> int:
        if repeats % 2 == 0:
            raise refusal(
                f"judge.repeats is {repeats}; an even number of judges can be of two minds",
                mend=f"write {repeats + 1}",
            )
        return repeats

    @field_validator("model_settings")
    @classmethod
    def _has_one_max_tokens(cls, settings: dict[str, Any]) -> dict[str, Any]:
        if "max_tokens" in settings:
            raise refusal(
                "judge.model_settings.max_tokens: the longest answer is judge.max_tokens",
                mend="set that instead",
                at=("max_tokens",),
            )
        return settings

    @model_validator(mode="after")
    def _has_a_model(self) -> "JudgeSection":
        for key in ("prices", "max_spend_usd", "base_url", "api_key_env"):
            if self.model is None and getattr(self, key) is not None:
                raise refusal(
                    f"judge.{key} is set, but there is no judge.model",
                    mend="name one, such as openai:gpt-5-mini",
                    at=(key,),
                )
        return self
