"""Faults put into tools on purpose: drawn for each call, the same for every prompt.

What a call meets hangs on the seed, the golden task, the repeat, the tool and how many calls
of that tool the run made before; never on the prompt. So both prompts of a pair live in
the same bad world, and their difference is theirs.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pydantic_ai.messages import ToolReturnPart
from pydantic_core import to_jsonable_python

from assay.fault_sections import ToolFaults
from assay.records import RunKey

NO_FAULTS = ToolFaults()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What one call meets."""

    is_error: bool = False
    is_empty: bool = False
    latency_s: float = 0.0
    drop: frozenset[str] = frozenset()
    rename: Mapping[str, str] = field(default_factory=dict)

    told: ClassVar[str] = "ConnectionError: the service did not answer"
    """To the model, of a call that fails: one that knew would behave otherwise."""

    @property
    def words(self) -> str | None:
        """As the run's trace shows it; None where nothing happens."""
        met = ["error"] * self.is_error + ["empty result"] * self.is_empty
        if not met and (self.drop or self.rename):
            met.append("changed schema")
        if self.latency_s:
            met.append(f"{self.latency_s:g} s later")
        return f"injected fault: {', '.join(met)}" if met else None

    def changed(self, answer: ToolReturnPart) -> ToolReturnPart:
        """The answer as the model gets it; what failed by itself stays as it is."""
        if answer.outcome != "success" or not (self.is_empty or self.drop or self.rename):
            return answer
        said = to_jsonable_python(answer.content)  # as a tape would have it
        return replace(answer, content=_empty(said) if self.is_empty else self._other_fields(said))

    def _other_fields(self, value: Any) -> Any:
        """Of an object, or of each object of a list; other values have no fields."""
        if isinstance(value, list):
            return [self._other_fields(item) for item in value]
        if not isinstance(value, dict):
            return value
        kept = {key: inner for key, inner in value.items() if key not in self.drop}
        return {self.rename.get(key, key): inner for key, inner in kept.items()}


@dataclass(slots=True)
class RunFaults:
    """The faults of one run, call by call."""

    tools: Mapping[str, ToolFaults]
    key: RunKey
    _calls: Counter[str] = field(default_factory=Counter)

    def next(self, tool: str) -> Fault:
        """What the run's next call of `tool` meets; ask once for each call, in order."""
        self._calls[tool] += 1
        faults = self.tools.get(tool, NO_FAULTS)
        which, slow = self._chances(tool)
        is_error = which < faults.error_rate
        return Fault(
            is_error=is_error,
            is_empty=not is_error and which < faults.error_rate + faults.empty_rate,
            latency_s=faults.latency_s if slow < faults.latency_rate else 0.0,
            drop=frozenset(faults.drop_fields),
            rename=faults.rename_fields,
        )

    def _chances(self, tool: str) -> tuple[float, float]:
        """Two numbers in [0, 1) that belong to this call."""
        key = self.key
        parts = (key.seed, key.golden_task_id, key.repeat, tool, self._calls[tool])
        digest = hashlib.sha256("\0".join(("fault", *map(str, parts))).encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64, int.from_bytes(digest[8:16]) / 2**64


def _empty(value: Any) -> Any:
    """Nothing, in the value's own kind."""
    return type(value)() if isinstance(value, str | list | dict) else None
