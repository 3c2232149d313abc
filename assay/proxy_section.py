"""`agent.proxy`: the recording proxy between an agent of one's own and its model."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator

from assay.endpoints import HttpUrl
from assay.validation import Section, refusal
from assay.variables import VariableName

KEY_VARIABLES = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
"""Where the providers' own clients look for their keys."""


def _without_query(url: str) -> str:
    if urlsplit(url).query or urlsplit(url).fragment:
        raise refusal(
            "holds more than an address",
            mend="end it where the paths of the API begin, as in https://api.openai.com/v1",
            of_key=True,
        )
    return url.rstrip("/")


class ProxySection(Section):
    """A server on this machine that the agent takes for its provider, and that counts."""

    provider: Literal["openai", "anthropic"]
    """Whose clients the agent uses; anything that speaks the same API goes as it."""
    base_url: Annotated[HttpUrl, AfterValidator(_without_query)] | None = None
    """Where requests are sent on to; empty is the provider's own address."""
    api_key_env: VariableName | None = None
    """Name of the variable with the real key, which the agent does not get to see; empty is
    `OPENAI_API_KEY` or `ANTHROPIC_API_KEY`."""

    @property
    def key_variable(self) -> str:
        """Where the real key is."""
        return self.api_key_env or KEY_VARIABLES[self.provider]
