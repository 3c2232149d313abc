"""How a canary begins: on evidence or by force, with its prompts' ids and its token threshold.

Everything that the watch compares with is fixed here, before the first canary run.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assay.canary.metrics import is_of
from assay.canary.state import CanaryState, Outcome, canary_id, id_of_canary, write_state
from assay.canary.steps import Step, steps_of
from assay.canary.switching import (
    CanarySwitch,
    course_of,
    record_found,
    stands_at,
    start_canary,
    taken_back,
)
from assay.config import Config
from assay.errors import AssayError, InputError, NoVerdict
from assay.governance.governor import CanaryFacts, governor_of
from assay.history import CANARY_RAISE, CANARY_START, Cause, Entry, read_history
from assay.pointers import NO_CANARY, Canary
from assay.promotion import Evidence, check_still_about, pointers_of
from assay.prompts import PromptVersion, load_prompt, lock_prompts
from assay.store.log_values import TIME
from assay.store.production_log import read_production_log

BEFORE = timedelta(days=7)
"""How far back the active version's runs are looked at for the token threshold."""
MIN_RUNS_OF_A_P95 = 59
"""Fewer may all lie below the p95: .95^59 < .05."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A canary as it began: what is compared with what."""

    canary_id: str
    version: str
    prompt_id: str
    baseline: str
    """What was active then."""
    baseline_prompt_id: str
    began_at: datetime
    steps: tuple[Step, ...]
    """The last is the one that it is at."""

    def as_fields(self) -> dict[str, Any]:
        """Of a state."""
        fields = asdict(self)
        return fields | {"share": self.steps[-1].share, "steps": ()}


def begin_canary(
    config: Config,
    prompt: PromptVersion,
    share: float,
    *,
    cause: Cause,
    evidence: Evidence | None,
    config_sha256: str | None = None,
) -> CanarySwitch:
    """Answer a share of production's requests with a prompt.

    Args:
        config: Where it begins.
        prompt: The canary.
        share: Of requests, in (0, 1].
        cause: Who, when, why, on which evaluation.
        evidence: The evaluation that said promote; None by force.
        config_sha256: Decided for just this file; without it, only another switch refuses.

    Raises:
        NoVerdict: What was compared is no longer there, there is a canary already, or the
            version was taken back by an alarm, which only force overrides.
        InputError: A file is wrong, or no run log is named.
        CannotEvaluate: A file cannot be written.
    """
    if config.rollout.canary.run_log is None:
        raise InputError(
            "no run log is named: nothing would guard the canary",
            path=config.path,
            mend="set rollout.canary.run_log, such as logs/runs-*.jsonl",
        )
    if evidence is not None:
        check_still_about(evidence, config, prompt)
        if (alarm := taken_back(prompt.ref, read_history(config.path))) is not None:
            raise NoVerdict(
                f"{prompt.ref} was taken back at {alarm.cause.at:%Y-%m-%d %H:%M} UTC: "
                f"{alarm.cause.reason}",
                mend="mend the prompt as a new version; or --force --reason TEXT",
            )
    ids = _prompt_ids(config, prompt)
    threshold = token_threshold(config, ids[config.prompts.active], before=cause.at)
    governed = _govern(config, prompt, ids, cause)
    done = start_canary(
        config.path,
        Canary(prompt.ref, share),
        expect=config_sha256 or pointers_of(config),
        cause=replace(cause, action=CANARY_START, prompt_ids=ids),
    )
    if done.changed and done.entry is not None:
        keep = _first_state(config, watched_since([done.entry]), threshold)
        done = replace(done, warnings=(*done.warnings, *keep))
    return replace(done, warnings=(*done.warnings, *governed))


def _govern(
    config: Config, prompt: PromptVersion, ids: Mapping[str, str], cause: Cause
) -> tuple[str, ...]:
    """Tell the governor before the first canary run; its warnings."""
    facts = CanaryFacts(
        canary_id=id_of_canary(prompt.ref, cause.at),
        version=prompt.ref,
        prompt_id=ids[prompt.ref],
        baseline_prompt_id=ids[config.prompts.active],
        reason=cause.reason,
    )
    return governor_of(config, os.environ).before_canary(facts).warnings


def watched(config: Config, canary: Canary, *, who: str, now: datetime) -> Watched:
    """The canary that the config names, from the history of its beginning.

    One that somebody wrote there by hand begins at the first look, which records it; so does
    another share of it.

    Raises:
        InputError: The text of one of the two prompts cannot be read.
        CannotEvaluate: The history cannot be written.
        NoVerdict: The canary has gone meanwhile.
    """
    course = course_of(canary, read_history(config.path).canaries)
    if not stands_at(course, canary):
        cause = Cause(
            action=CANARY_RAISE if course else CANARY_START,
            who=who,
            at=now,
            reason="found in the configuration, written there by hand",
            prompt_ids=course[0].cause.prompt_ids if course else _ids_of(config, canary),
        )
        course = record_found(config.path, canary, cause=cause)
    if not course:
        raise NoVerdict("the canary was ended at this very moment")
    return watched_since(course)


def watched_since(course: Sequence[Entry]) -> Watched:
    """What a start fixed, and the shares since."""
    began = course[0]
    canary = began.canary.after if began.canary else NO_CANARY
    version, baseline, ids = str(canary.version), began.after.active, began.cause.prompt_ids
    return Watched(
        canary_id=canary_id(began),
        version=version,
        prompt_id=ids.get(version, ""),
        baseline=baseline,
        baseline_prompt_id=ids.get(baseline, ""),
        began_at=began.cause.at,
        steps=steps_of(course),
    )


def token_threshold(config: Config, prompt_id: str, *, before: datetime) -> float | None:
    """Tokens of a dear run, fixed before the canary; None where too few runs were logged.

    Args:
        config: Says it, or names the logs.
        prompt_id: The active version's.
        before: When the canary begins.

    Raises:
        InputError: The logs cannot be understood.
    """
    section = config.rollout.canary
    if section.token_threshold is not None or section.run_log is None:
        return section.token_threshold
    runs = read_production_log(
        config.folder, section.run_log, named=section.columns, since=before - BEFORE
    ).runs
    earlier = runs.filter(pc.less(runs["ended_at"], pa.scalar(before, TIME)))
    tokens = earlier.filter(is_of(earlier, prompt_id))["total_tokens"].drop_null().to_numpy()
    return float(np.quantile(tokens, 0.95)) if tokens.size >= MIN_RUNS_OF_A_P95 else None


def _ids_of(config: Config, canary: Canary) -> dict[str, str]:
    directory = config.folder / config.prompts.directory
    return _prompt_ids(config, load_prompt(directory, canary.version or ""))


def _prompt_ids(config: Config, prompt: PromptVersion) -> dict[str, str]:
    """Of the canary and of what is active, both locked."""
    directory = config.folder / config.prompts.directory
    both = [prompt, load_prompt(directory, config.prompts.active)]
    lock_prompts(directory, both)
    return {each.ref: each.prompt_id for each in both}


def _first_state(config: Config, about: Watched, threshold: float | None) -> list[str]:
    """Keep the threshold; a warning where that fails."""
    state = CanaryState(
        **about.as_fields(),
        looked_at=about.began_at,
        outcome=Outcome.NO_DATA,
        reason="it has just begun",
        token_threshold=threshold,
        alpha=config.rollout.canary.alpha,
    )
    try:
        write_state(config.folder / config.results.uri, state)
    except (OSError, AssayError) as refused:
        return [f"the state of canary {about.canary_id} was not kept: {refused}"]
    return []
