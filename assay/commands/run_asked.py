"""What `assay golden add` is asked for: the run, the two versions, the input, the bounds."""

import argparse
import io
import math
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from assay.config import Config
from assay.errors import InputError
from assay.golden import load_golden
from assay.golden_task import BOUNDS
from assay.incidents.bounds import OF_BOUND, bounds_of
from assay.incidents.drafting import Incident, draft_of
from assay.incidents.masking import Masker, preview
from assay.incidents.recorded import Recorded, find_run, first_text, input_of, run_on_line
from assay.incidents.similar import Similar, similar_runs
from assay.intake.harvest import Draft
from assay.prompts import PromptVersion, load_prompt, parse_ref
from assay.validation import Place
from assay.wording import did_you_mean, one_line

MAX_INPUT_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """Which version must fail the task, and which must pass it."""

    bad: PromptVersion
    good: PromptVersion


def run_asked_for(arguments: argparse.Namespace, config: Config) -> Recorded:
    """The run, wherever it is recorded."""
    if arguments.from_line is not None:
        return run_on_line(arguments.from_line)
    standard_input = sys.stdin.buffer if sys.stdin is not None else io.BytesIO()
    return find_run(arguments.from_run, config, log=arguments.log, standard_input=standard_input)


def versions_of(arguments: argparse.Namespace, config: Config, run: Recorded) -> Versions:
    """The run's own version is the bad one; the good one is what is active, or was before."""
    prompts, named = config.prompts, config.rollout.canary.columns
    prompt_id = first_text([run.get("prompt_id", named)])
    name, _ = parse_ref(prompts.active)
    bad = arguments.bad or _ref_in(prompt_id)
    if bad is None:
        raise InputError("the run does not say which prompt it ran", mend="name it with --bad V")
    bad = bad if ":" in bad else f"{name}:{bad}"
    good = arguments.good or (prompts.active if prompts.active != bad else prompts.rollback)
    good = good if ":" in good else f"{name}:{good}"
    if good == bad:
        raise InputError(f"{bad} would be the bad and the good version", mend="name --good V")
    directory = config.folder / prompts.directory
    versions = Versions(bad=load_prompt(directory, bad), good=load_prompt(directory, good))
    if prompt_id not in (None, versions.bad.prompt_id, bad):
        say(f"note: the run ran {one_line(str(prompt_id))}, not {versions.bad.prompt_id}")
    return versions


def _ref_in(prompt_id: str | None) -> str | None:
    """`support:v14` of `support:v14:50af3e26c3af`."""
    parts = (prompt_id or "").split(":")
    return ":".join(parts[:2]) if len(parts) > 1 and all(parts[:2]) else None


def drafted(
    arguments: argparse.Namespace, config: Config, run: Recorded, good: PromptVersion
) -> tuple[Draft, Similar | None]:
    """The task to be, and the runs that its bounds are of; what was masked is said."""
    named = config.rollout.canary.columns
    category = arguments.category or first_text([run.get("category", named)])
    similar = similar_runs(config, good.prompt_id, category)
    bounds = bounds_of(similar, _asked_bounds(arguments.bound))
    prompt_id = first_text([run.get("prompt_id", named), arguments.bad])
    incident = Incident(
        text=arguments.incident,
        on=_day_of(run, config),
        run_id=arguments.from_run or first_text([run.get("run_id", named)]) or "unknown",
        prompt_id=prompt_id,
    )
    masker = Masker(config.golden)
    draft = draft_of(
        _input(arguments, config, run),
        incident=incident,
        category=category,
        bounds=bounds,
        stop_reason=similar.stop_reason if similar else None,
        checks=arguments.check,
        masker=masker,
        place=Place(path=run.path, line=run.line),
    )
    lines = preview(masker.done.values()) or ["nothing was masked"]
    say("\n".join([*lines, *bounds.words]))
    return draft, similar


def _asked_bounds(given: list[str]) -> dict[str, float | None]:
    """Bound -> its value, NaN to derive it, None for none."""
    return dict(_asked_bound(text) for text in given)


def _asked_bound(text: str) -> tuple[str, float | None]:
    name, equals, value = text.partition("=")
    if name not in BOUNDS:
        raise InputError(f"--bound {one_line(text)}", mend=did_you_mean(name, BOUNDS))
    if not equals:
        if name not in OF_BOUND:
            raise InputError(f"--bound {name} cannot be derived", mend=f"write {name}=VALUE")
        return name, math.nan
    if value == "none":
        return name, None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise InputError(f"--bound {one_line(text)}: no number", mend=f"write {name}=9000")
    return name, number


def _input(
    arguments: argparse.Namespace, config: Config, run: Recorded
) -> str | list[dict[str, str]]:
    given: str | None = arguments.input
    if given is not None:
        return _read(Path(given[1:])) if given.startswith("@") else given
    said = input_of(run, config)
    if said is None:
        said = _of_golden_task(config, run)
    if said is None:
        raise InputError(
            "the run does not say what its input was: our clients do not log what users say",
            path=run.path,
            line=run.line,
            mend="give it with --input TEXT or --input @FILE; or name its column in "
            "rollout.canary.columns: {input: NAME}",
        )
    return said


def _of_golden_task(config: Config, run: Recorded) -> str | list[dict[str, str]] | None:
    """The input of a run that an evaluation made: that of its golden task."""
    task_id = run.values.get("golden_task_id")
    tasks = {task.id: task for task in load_golden(config)} if isinstance(task_id, str) else {}
    if task_id not in tasks:
        return None
    said = tasks[task_id].input
    return said if isinstance(said, str) else list(said)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_INPUT_BYTES + 1)
        if len(raw) > MAX_INPUT_BYTES:
            raise InputError(f"more than {MAX_INPUT_BYTES:,} bytes", path=path, mend="shorten it")
        return raw.decode("utf-8-sig").strip()
    except OSError as refused:
        raise InputError(f"cannot be read: {refused.strerror}", path=path) from None
    except UnicodeDecodeError:
        raise InputError("the file is not UTF-8", path=path) from None


def _day_of(run: Recorded, config: Config) -> datetime:
    """When it started, as far as the log says it; else today."""
    started = run.get("started_at", config.rollout.canary.columns)
    try:
        return started if isinstance(started, datetime) else datetime.fromisoformat(started)
    except (TypeError, ValueError):
        return datetime.now(UTC)


def say(text: str) -> None:
    """For whoever is there: standard output is the task alone."""
    print(text, file=sys.stderr)
