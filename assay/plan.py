"""What an evaluation is about to do: which prompts, on which golden tasks, how often.

Everything that bears on the verdict goes into `inputs_hash`: two evaluations with the
same hash ask the same question, and an interrupted one may be finished by the other.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assay.config import Config
from assay.gates import Gates
from assay.golden import GoldenTask
from assay.prompts import PromptVersion
from assay.records import SCHEMA_VERSION, PromptRef
from assay.store.evaluations import EvaluationFolder
from assay.store.replay import Replay, ReplayMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One evaluation, settled: which prompts, on which golden tasks, how often."""

    evaluation_id: str
    created_at: datetime
    config: Config
    config_sha256: str
    """Of `assay.yaml` when the evaluation began; a switch is made only if it still holds."""
    baseline: PromptVersion
    candidates: tuple[PromptVersion, ...]
    """At least one, and each gets a verdict of its own; a night's is what `rollback` names."""
    gates: Gates
    """As each candidate is judged: several candidates share the error that is allowed."""
    tasks: tuple[GoldenTask, ...]
    repeats: int
    seed: int
    allow_different: tuple[str, ...] = ()
    """In what beside the prompt the arms may differ: of `comparability.FIELDS`."""
    nights: int = 1
    """Nights that it may take, `repeats` each; one error is spent over all of them."""
    is_night: bool = False
    """Whether it only watches the active prompt: one look, and nothing to switch."""
    looks_before: int = 0
    """Looks that earlier nights have taken."""
    resumed: bool = False
    """Whether this goes on with an evaluation that was interrupted."""
    records: bool = False
    """Whether every exchange is kept for good."""
    replay: Replay | None = None
    """The record that answers for the world."""

    @property
    def is_rerun(self) -> bool:
        """Whether nothing is asked anew: it costs nothing, and shows nothing that is new."""
        return self.replay is not None and self.replay.mode is ReplayMode.ALL

    @property
    def judged_in(self) -> str:
        """The evaluation whose judges were heard: a rerun hears none anew."""
        if self.replay is None or not self.is_rerun:
            return self.evaluation_id
        return self.replay.evaluation_id

    @property
    def prompts(self) -> tuple[PromptVersion, ...]:
        """The baseline, then every candidate."""
        return self.baseline, *self.candidates

    @property
    def looks(self) -> tuple[int, ...]:
        """Repeats at each look at the runs; the last are `repeats`, a night's end each."""
        rounds = () if self.is_night else self.config.testing.rounds
        nights_ends = (night * self.repeats for night in range(1, self.nights + 1))
        return (*sorted({each for each in rounds if each < self.repeats}), *nights_ends)

    @property
    def looks_tonight(self) -> int:
        """Looks taken once tonight's runs are made; all of them where it takes one night."""
        done = self.looks[self.looks_before - 1] if self.looks_before else 0
        until = done - done % self.repeats + self.repeats
        return sum(at <= until for at in self.looks)

    @property
    def n_runs(self) -> int:
        """Runs at most: prompts x golden tasks x repeats."""
        return len(self.prompts) * len(self.tasks) * self.looks[self.looks_tonight - 1]

    @property
    def budgets_hash(self) -> str:
        """12 hex digits over the limits of one run."""
        limits = self.config.budgets.model_dump_json(exclude={"evaluation"})
        return hashlib.sha256(limits.encode()).hexdigest()[:12]

    @property
    def inputs_hash(self) -> str:
        """64 hex digits over all that bears on the verdict."""
        return _hash({"question": self.question_hash, "looks": self.looks, "seed": self.seed})

    @property
    def question_hash(self) -> str:
        """64 hex digits over what is asked, however many runs answer it."""
        return _hash(
            {
                "prompts": [prompt.prompt_id for prompt in self.prompts],
                "golden": {task.id: task.hash for task in self.tasks},
                "code": self.config.code_hashes,
                "metadata": [task.metadata for task in self.tasks if task.metadata],
                "config": self.config.model_dump(mode="json", include={"agent", "budgets"}),
                **self._judged_by,
                "gates": self.gates.model_dump(mode="json"),
                "allow_different": sorted(self.allow_different),
                "max_infra_error_share": self.config.testing.max_infra_error_share,
                **self._world,
            }
        )

    @property
    def _world(self) -> dict[str, str]:
        """In what the world was not as it is."""
        replay = None if self.replay is None else str(self.replay)
        world = {"faults_hash": self.config.faults_hash, "replay": replay}
        return {name: value for name, value in world.items() if value is not None}

    @property
    def _judged_by(self) -> dict[str, Any]:
        """The judge, where any golden task asks for one."""
        if not any(task.asks_a_judge for task in self.tasks):
            return {}
        return {"judge": self.config.judge.model_dump(mode="json", exclude={"max_concurrency"})}

    def header(self) -> dict[str, Any]:
        """The first line of the evaluation's journal."""
        return {
            "type": "evaluation",
            "kind": "night" if self.is_night else "evaluation",
            "schema_version": SCHEMA_VERSION,
            "evaluation_id": self.evaluation_id,
            "created_at": self.created_at.isoformat(),
            "config": str(self.config.path),
            "config_sha256": self.config_sha256,
            "baseline": prompt_ref(self.baseline).model_dump(),
            "candidates": [prompt_ref(each).model_dump() for each in self.candidates],
            "golden": {task.id: task.hash for task in self.tasks},
            "repeats": self.repeats,
            "seed": self.seed,
            "allow_different": sorted(self.allow_different),
            "inputs_hash": self.inputs_hash,
            "question_hash": self.question_hash,
            **self._world,
        }


def folder_of(plan: Plan) -> EvaluationFolder:
    """Where the plan's evaluation is kept."""
    return EvaluationFolder(plan.config.folder / plan.config.results.uri / plan.evaluation_id)


def new_evaluation_id(now: datetime) -> str:
    """An id that sorts by time and reads as one: `20261123-205630-3f9a1c`."""
    return f"{now.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def seconds_since(began: datetime, now: datetime) -> float:
    """By the wall clock, over processes and nights; 0 where it was set back meanwhile.

    >>> from datetime import timedelta
    >>> noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
    >>> seconds_since(noon, noon + timedelta(minutes=1)), seconds_since(noon, noon - timedelta(1))
    (60.0, 0.0)
    """
    return max(0.0, (now - began).total_seconds())


def prompt_ref(prompt: PromptVersion) -> PromptRef:
    """The prompt as records name it."""
    return PromptRef(name=prompt.name, version=prompt.version, prompt_id=prompt.prompt_id)


def _hash(parts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
