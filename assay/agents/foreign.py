"""What every agent that is not ours has in its runs' columns."""

from assay.agent_sections import ForeignSection
from assay.models.source import params_hash
from assay.tool_schemas import ToolSchemas

_NOT_HASHED = {"kind", "name", "model", "processes", "pool", "prices"}
"""Columns of their own, or nothing that an answer hangs on."""
_ONLY_IF_SET = ("proxy", "inject_prompt")
"""Younger than the hash: without them it is as it was."""


class Foreign:
    """Names and hashes; a subclass makes the runs.

    Args:
        section: Of the configuration.
        code: Hash of the agent's own code.
        max_concurrency: Most runs that it serves at once; None for as many as configured.
    """

    def __init__(
        self, section: ForeignSection, *, code: str, max_concurrency: int | None = None
    ) -> None:
        self.name = section.name
        self.model = section.model
        unset = {name for name in _ONLY_IF_SET if not getattr(section, name)}
        self.model_params_hash = params_hash(**section.model_dump(exclude=_NOT_HASHED | unset))
        self.tools_hash = code
        self.tool_schemas: ToolSchemas | None = None
        self.price_table: str | None = None
        self.max_concurrency = max_concurrency
