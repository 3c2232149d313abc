"""`rollout.monitors`: what production's runs may use in a day and an hour."""

from typing import Annotated

from pydantic import Field

from assay.agent_sections import Count
from assay.validation import Section, Text


class MonitorSection(Section):
    """Limits of all runs together, watched by `assay monitor`; empty is no limit."""

    run_log: Text | None = Field(default=None, examples=["logs/runs-*.jsonl"])
    """Production's run logs; empty: those of `rollout.canary.run_log`, else logs/runs-*.jsonl."""
    max_spend_usd_per_day: Annotated[float, Field(gt=0)] | None = None
    """US dollars from midnight to midnight, UTC."""
    max_actions_per_hour: Count | None = None
    """Tool calls in a clock hour, UTC."""
