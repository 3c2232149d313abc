"""What `onceonly` in `assay.yaml` may be: a service that governs the agent's tools from outside."""

from typing import Annotated

from pydantic import Field, model_validator

from assay.agent_sections import Count
from assay.endpoints import HttpUrl
from assay.validation import Section, refusal
from assay.variables import VariableName


class OnceOnlySection(Section):
    """OnceOnly beside a canary: its policy, its metrics, its kill switch."""

    enabled: bool = False
    """Whether OnceOnly is asked at all; needs the extra `onceonly`."""
    agent_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] | None = Field(
        default=None, examples=["support"]
    )
    """The agent, as OnceOnly knows it."""
    api_key_env: VariableName = "ONCEONLY_API_KEY"
    """Name of the environment variable that holds the key; never the key itself."""
    base_url: HttpUrl | None = None
    """Address of the service, where it is not OnceOnly's own."""
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 3.0
    """Seconds for all that is asked at one look; nothing waits longer."""
    disable_on_alarm: bool = False
    """Whether a canary's alarm disables the agent altogether: every version of it."""
    max_calls_per_tool: dict[str, Count] = Field(default_factory=dict)
    """Calls a day, by tool; those of `agent.max_calls_per_tool` are of one run, and not sent."""

    @model_validator(mode="after")
    def _knows_the_agent(self) -> "OnceOnlySection":
        if self.enabled and self.agent_id is None:
            raise refusal(
                "onceonly is enabled, but there is no onceonly.agent_id",
                mend="name the agent as OnceOnly knows it",
                at=("enabled",),
            )
        return self
