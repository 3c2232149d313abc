"""From what somebody asked for to a plan: every file is read and checked before a run is made."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from assay.config import Config, load_config
from assay.errors import InputError
from assay.gates import Gates, Scope, shared_by
from assay.golden import GoldenTask, load_golden
from assay.plan import Plan, new_evaluation_id, prompt_ref
from assay.pointers import read_pointer_file
from assay.prompts import PromptVersion, load_prompt, parse_ref, verify_lock
from assay.replaying import check_can_replay, check_judged, check_prompts, recorded_evaluation
from assay.store.evaluations import (
    EvaluationFolder,
    find_about,
    find_evaluation,
    find_interrupted,
)
from assay.store.replay import Replay, ReplayMode

_EVALUATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asked for: the arguments of `assay evaluate`, None for the default."""

    candidates: tuple[str, ...]
    """One or more of `support:v14`, or `v14` for a version of the active prompt."""
    baseline: str | None = None
    repeats: int | None = None
    seed: int | None = None
    scope: Scope | None = None
    allow_different: tuple[str, ...] = ()
    over_nights: bool = False
    """Whether an inconclusive evaluation goes on with the same error the next night."""
    records: bool = False
    """Whether every exchange is kept for good."""
    replay: ReplayMode | None = None
    """What a record answers for."""
    record_of: str | None = None
    """The evaluation whose record is replayed; None looks for one."""
    resume: str | None = None
    """The id of an interrupted evaluation to finish."""
    config: Path = Path("assay.yaml")


def settle(request: Request, *, environ: Mapping[str, str], now: datetime) -> Plan:
    """Read and check everything an evaluation needs; nothing is written.

    An evaluation of the same inputs that was interrupted less than a day ago is gone
    on with, whether `request.resume` names it or not.

    Raises:
        InputError: A file or flag is wrong, candidate and baseline are the same, or
            the evaluation to resume had other inputs.
    """
    config = load_config(request.config, environ)
    if request.over_nights:
        return _over_nights(config, request, now)
    results = config.folder / config.results.uri
    request = _or_switched_already(config, request, now)
    if request.resume is None:
        plan = _new_plan(config, request, now)
        folder = find_interrupted(results, about={"inputs_hash": plan.inputs_hash}, now=now)
        return plan if folder is None else _going_on(plan, folder)
    folder = find_evaluation(results, request.resume)
    if folder.decision.exists():
        raise InputError(
            f"evaluation {folder.evaluation_id} has its verdict",
            mend=f"see it with: assay show {folder.evaluation_id}",
        )
    request = _still_replaying(_as_begun(request, folder), folder)
    return _going_on(_new_plan(config, request, now), folder)


def settle_as(
    evaluation_id: str, request: Request, *, environ: Mapping[str, str], now: datetime
) -> Plan:
    """As `settle`, for the evaluation with this id: gone on with if it began, else begun.

    Raises:
        InputError: As `settle`, or the id could not be a folder's name.
    """
    if not _EVALUATION_ID.fullmatch(evaluation_id):
        raise InputError(f"{evaluation_id!r} is not an evaluation's id")
    config = load_config(request.config, environ)
    folder = EvaluationFolder(config.folder / config.results.uri / evaluation_id)
    if folder.journal.exists() and folder.header() is not None:
        return settle(replace(request, resume=evaluation_id), environ=environ, now=now)
    return replace(_new_plan(config, request, now), evaluation_id=evaluation_id)


def settle_night(path: Path, *, environ: Mapping[str, str], now: datetime) -> Plan:
    """A night of what is active, beside the version to go back to if there is another.

    Its seed follows from the date, for simulations: a night that repeats the last one's
    chances would find nothing.

    Raises:
        InputError: A file is wrong.
    """
    config = load_config(path, environ)
    directory = config.folder / config.prompts.directory
    refs = dict.fromkeys([config.prompts.active, config.prompts.rollback])
    active, *others = (load_prompt(directory, ref) for ref in refs)
    for prompt in (active, *others):
        verify_lock(directory, prompt)
    plan = Plan(
        evaluation_id=new_evaluation_id(now),
        created_at=now,
        config=config,
        config_sha256=config.sha256,
        baseline=active,
        candidates=tuple(others),
        gates=config.gates,
        tasks=load_golden(config),
        repeats=config.nightly.repeats,
        seed=config.testing.seed + now.date().toordinal(),
        is_night=True,
    )
    results = config.folder / config.results.uri
    folder = find_interrupted(results, about={"inputs_hash": plan.inputs_hash}, now=now)
    return plan if folder is None else _going_on(plan, folder)


def _over_nights(config: Config, request: Request, now: datetime) -> Plan:
    """A new evaluation, or the one of the same inputs that earlier nights began, however old."""
    plan = _new_plan(config, request, now)
    folder = find_about(config.folder / config.results.uri, about={"inputs_hash": plan.inputs_hash})
    if folder is None:
        return plan
    plan = _going_on(plan, folder)
    return replace(plan, looks_before=folder.looks_taken())


def _or_switched_already(config: Config, request: Request, now: datetime) -> Request:
    """The request, resuming where it was killed between its switch and its verdict.

    Then the candidate is active already, and there is no other baseline to be seen.
    """
    active = config.prompts.active
    name, _ = parse_ref(active)
    wanted = [_full_ref(each, name) for each in request.candidates]
    if active not in wanted or request.baseline is not None or request.resume is not None:
        return request
    if request.replay is not None:  # then the baseline is known from the record
        return request
    directory = config.folder / config.prompts.directory
    candidates = [prompt_ref(load_prompt(directory, ref)).model_dump() for ref in wanted]
    about = {"config": str(config.path), "candidates": candidates}
    folder = find_interrupted(config.folder / config.results.uri, about=about, now=now)
    return request if folder is None else replace(request, resume=folder.evaluation_id)


def _new_plan(config: Config, request: Request, now: datetime) -> Plan:
    if config.rollout.begins_canaries:
        _ = read_pointer_file(config.path).canary  # must be there to be written on a promote
    tasks = load_golden(config)
    recorded = _to_replay(config, request, tasks)
    rerun = recorded if request.replay is ReplayMode.ALL else None
    if rerun is not None:
        request = _as_begun(request, rerun)
    baseline, *candidates = _prompts(config, request)
    if rerun is not None:
        check_prompts(rerun, (baseline, *candidates))
        check_judged(rerun, tasks)
    repeats = config.testing.repeats if request.repeats is None else request.repeats
    if repeats < 1:
        raise InputError(f"--repeats is {repeats}", mend="give at least 3: fewer decide nothing")
    seed = config.testing.seed if request.seed is None else request.seed
    if seed < 0:
        raise InputError(f"--seed is {seed}", mend="give 0 or more")
    return Plan(
        evaluation_id=new_evaluation_id(now),
        created_at=now,
        config=config,
        config_sha256=config.sha256,
        baseline=baseline,
        candidates=tuple(candidates),
        gates=shared_by(len(candidates), _about(config.gates, request.scope)),
        tasks=tasks,
        repeats=repeats,
        seed=seed,
        allow_different=request.allow_different,
        nights=config.nightly.candidate_nights if request.over_nights else 1,
        records=request.records,
        replay=_replay(recorded, request.replay),
    )


def _prompts(config: Config, request: Request) -> list[PromptVersion]:
    """The baseline, then the candidates, each as it was locked."""
    directory = config.folder / config.prompts.directory
    name, _ = parse_ref(config.prompts.active)
    refs = [request.baseline or config.prompts.active, *request.candidates]
    baseline, *candidates = [load_prompt(directory, _full_ref(ref, name)) for ref in refs]
    _refuse_equals(baseline, candidates)
    for prompt in (baseline, *candidates):
        verify_lock(directory, prompt)
    return [baseline, *candidates]


def _replay(recorded: EvaluationFolder | None, mode: ReplayMode | None) -> Replay | None:
    return None if recorded is None or mode is None else Replay(mode, recorded.evaluation_id)


def _to_replay(
    config: Config, request: Request, tasks: Sequence[GoldenTask]
) -> EvaluationFolder | None:
    """The evaluation whose record is to answer, if one is.

    Raises:
        InputError: There is none such, or the options do not go together.
    """
    if request.records:
        check_can_replay(config, "--record")
    if request.replay is None:
        if request.record_of is not None:
            raise InputError("--record-of is given without --replay", mend="add --replay tools")
        return None
    check_can_replay(config, "--replay", request.replay)
    if request.records and request.replay is ReplayMode.ALL:
        raise InputError("--record with --replay all: nothing new is said", mend="leave one out")
    name, _ = parse_ref(config.prompts.active)
    return recorded_evaluation(
        config,
        request.replay,
        evaluation_id=request.record_of,
        candidates=[_full_ref(each, name) for each in request.candidates],
        tasks=tasks,
    )


def _about(gates: Gates, scope: Scope | None) -> Gates:
    return gates if scope is None else gates.model_copy(update={"scope": scope})


def _as_begun(request: Request, folder: EvaluationFolder) -> Request:
    """The request with the interrupted evaluation's own values where none are given."""
    header = folder.header()
    if header is None:
        raise InputError(
            f"evaluation {folder.evaluation_id} was interrupted before it began",
            mend="start it anew, without --resume",
        )
    baseline = "{name}:{version}".format(**header["baseline"])
    return replace(
        request,
        baseline=request.baseline or baseline,
        repeats=header["repeats"] if request.repeats is None else request.repeats,
        seed=header["seed"] if request.seed is None else request.seed,
    )


def _still_replaying(request: Request, folder: EvaluationFolder) -> Request:
    """The request with the record that the interrupted evaluation was answered by."""
    mode, _, evaluation_id = str((folder.header() or {}).get("replay", "")).partition(":")
    if not mode or request.replay is not None:
        return request
    return replace(request, replay=ReplayMode(mode), record_of=evaluation_id)


def _going_on(plan: Plan, folder: EvaluationFolder) -> Plan:
    """The plan under the id and from the beginning of an interrupted evaluation."""
    header = folder.header() or {}
    if header.get("inputs_hash") != plan.inputs_hash:
        raise InputError(
            f"evaluation {folder.evaluation_id} began with other inputs (prompts, golden tasks, "
            "agent, budgets, gates, repeats or seed)",
            mend="put them back as they were, or start a new evaluation without --resume",
        )
    return replace(
        plan,
        evaluation_id=folder.evaluation_id,
        created_at=datetime.fromisoformat(header["created_at"]),
        config_sha256=header["config_sha256"],
        resumed=True,
    )


def _full_ref(text: str, name: str) -> str:
    return text if ":" in text else f"{name}:{text}"


def _refuse_equals(baseline: PromptVersion, candidates: Sequence[PromptVersion]) -> None:
    """Two names for one text would be judged by noise alone."""
    for candidate in candidates:
        if candidate.ref == baseline.ref:
            raise InputError(
                f"candidate and baseline are both {candidate.ref}",
                mend="name another version, or another --baseline",
            )
        if candidate.name != baseline.name:
            raise InputError(
                f"{candidate.ref} is not a version of {baseline.name!r}",
                mend=f"compare versions of one prompt, such as {baseline.name}:{candidate.version}",
            )
    texts = {baseline.text: baseline.ref}
    for candidate in candidates:
        if (other := texts.setdefault(candidate.text, candidate.ref)) != candidate.ref:
            raise InputError(
                f"{candidate.ref} has the same text as {other}",
                mend="there is nothing to evaluate; change the text of the candidate",
            )
    if len({candidate.ref for candidate in candidates}) < len(candidates):
        raise InputError("a candidate is named twice", mend="name each version once")
