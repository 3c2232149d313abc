"""What `testing.faults` in `assay.yaml` may hold: what goes wrong with a tool, on purpose."""

from typing import Annotated

from pydantic import Field, model_validator

from assay.validation import Section, Several, Text, refusal

Rate = Annotated[float, Field(ge=0, le=1)]


class ToolFaults(Section):
    """What goes wrong with one tool; the same calls of every prompt meet the same faults."""

    error_rate: Rate = 0.0
    """Share of calls that fail without the tool being asked."""
    empty_rate: Rate = 0.0
    """Share of calls whose result is empty: no items, no fields, no text."""
    latency_s: float = Field(default=0.0, ge=0, le=3600)
    """Seconds that a call takes longer; they count as work."""
    latency_rate: Rate = 1.0
    """Share of calls that take longer."""
    drop_fields: Several[Text] = ()
    """Fields that are missing from every result."""
    rename_fields: dict[Text, Text] = Field(default_factory=dict)
    """Fields of every result that have another name: old to new."""

    @model_validator(mode="after")
    def _leaves_no_more_than_all(self) -> "ToolFaults":
        if (both := self.error_rate + self.empty_rate) > 1:
            raise refusal(
                f"error_rate and empty_rate are {both:g} together",
                mend="a call either fails or is empty: let them be 1 at most",
                at=("error_rate",),
            )
        return self
