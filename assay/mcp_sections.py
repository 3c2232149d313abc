"""What `agent.mcp_servers` in `assay.yaml` may be: servers whose tools the agent is offered."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from assay.endpoints import Command, HeaderName, HttpUrl
from assay.validation import Section, Several, refusal
from assay.variables import VariableName

_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise refusal(
            "is not the name of a server", mend="use letters, digits, - and _, 32 at most"
        )
    return name


ServerName = Annotated[str, AfterValidator(_checked_name)]
"""The tools are called `NAME.TOOL`."""


class McpServer(Section):
    """A server of tools that speaks MCP: a program, or an address."""

    command: Command | None = Field(default=None, examples=["python server.py"])
    """The program and its arguments, run in the configuration's folder without a shell."""
    env_from: Several[VariableName] = ()
    """Environment variables that it is given; it sees none of the others but PATH, HOME and
    their like."""
    url: HttpUrl | None = Field(default=None, examples=["http://127.0.0.1:8000/mcp"])
    """Address of a server that is running (streamable HTTP)."""
    headers_env: dict[HeaderName, VariableName] = Field(default_factory=dict)
    """Headers of each request, their whole value in an environment variable, by its name."""
    max_seconds: float = Field(default=30.0, gt=0)
    """For its start, and for each call."""

    @model_validator(mode="after")
    def _is_one_of_the_two(self) -> "McpServer":
        if (self.command is None) == (self.url is None):
            raise refusal(
                "an MCP server has either a command or a url",
                mend="command: starts a program; url: is for a server that is running",
            )
        if self.url is not None and self.env_from:
            raise refusal(
                "env_from is for a server with a command",
                mend="name the variable in headers_env",
                at=("env_from",),
            )
        if self.command is not None and self.headers_env:
            raise refusal(
                "headers_env is for a server with a url",
                mend="name the variable in env_from",
                at=("headers_env",),
            )
        return self

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that it needs."""
        return (*self.env_from, *self.headers_env.values())
