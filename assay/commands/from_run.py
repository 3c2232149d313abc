"""`assay golden add`: a production run that went wrong becomes a golden task, once it is proved.

What is found and masked, and what the proof will cost, is said on standard error before anything
is run or written; standard output is the task and what became of it.
"""

import argparse
import asyncio
import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assay.commands.run_asked import Versions, drafted, run_asked_for, say, versions_of
from assay.config import Config, load_config
from assay.errors import InputError, NoVerdict
from assay.golden import GoldenTask
from assay.incidents.recorded import Recorded, is_amount
from assay.incidents.similar import Similar
from assay.intake.harvest import Draft, Harvest
from assay.intake.writing import is_read, line_of, write_tasks
from assay.wording import one_line

if TYPE_CHECKING:
    from assay.incidents.trial import Trial


def golden_add(arguments: argparse.Namespace) -> int:
    """Find the run, draft a task, prove it, add it; 3 where it tells nothing."""
    _refuse_nonsense(arguments)
    config = load_config(arguments.config, os.environ)
    run = run_asked_for(arguments, config)
    versions = versions_of(arguments, config, run)
    draft, similar = drafted(arguments, config, run, versions.good)
    into = arguments.into or arguments.config.parent / "golden" / "incidents.jsonl"
    task = _proved_to_load(draft, into, config)
    print(_visible(line_of(task).decode().rstrip("\n")))
    say(_cost(arguments.repeats, run, similar, config))
    if arguments.dry_run:
        print("next: the same without --dry-run")
        return 0
    _ask(arguments, f"run {versions.bad.ref} and {versions.good.ref}, and add it if they differ?")
    trial = _tried(task, versions, config, arguments.repeats)
    say(f"{trial.bad}\n{trial.good}")
    if not trial.tells:
        draft = _forced(arguments, draft, trial)
    _add(draft, into, config)
    return 0


def _refuse_nonsense(arguments: argparse.Namespace) -> None:
    if arguments.repeats < 1:
        raise InputError(f"--repeats is {arguments.repeats}", mend="give 1 or more; 5 is usual")
    if arguments.force and not (arguments.reason or "").strip():
        raise InputError("--force needs a reason", mend="add --reason 'why without proof'")
    if not (arguments.yes or arguments.dry_run or _is_watched()):
        raise InputError(
            "nobody is here to be asked", mend="look with --dry-run first, then say --yes"
        )


def _is_watched() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _proved_to_load(draft: Draft, into: Path, config: Config) -> GoldenTask:
    """The task as it would be written, under its own id.

    Raises:
        InputError: It does not fit, or is there already.
    """
    harvest = Harvest()
    harvest.add(draft)
    book = write_tasks(harvest, into, config=config, append=True, dry_run=True)
    for loss in harvest.losses.values():
        raise InputError(f"{loss.what}: {loss.why}", mend="mend --check, --bound or --input")
    if not book.new:
        raise InputError("this golden task is there already", path=into, mend="nothing is to do")
    return next(iter(book.new.values()))


def _visible(line: str) -> str:
    """A line of JSON that a terminal may print: it holds what a stranger wrote."""
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)


def _cost(repeats: int, run: Recorded, similar: Similar | None, config: Config) -> str:
    """What the trial will cost, as far as the run and those like it say."""
    named, parts = config.rollout.canary.columns, [f"the trial: {2 * repeats} runs"]
    for column, words in (
        ("total_tokens", "about {:,.0f} tokens"),
        ("spend_usd", "about ${:,.2g}"),
    ):
        bad, good = run.get(column, named), similar.mean(column) if similar else None
        if is_amount(bad) and good is not None:
            parts.append(words.format(float(f"{repeats * (float(bad) + good):.2g}")))
    if len(parts) == 1:
        parts.append("tokens and spend not known; budgets hold")
    return ", ".join(parts)


def _ask(arguments: argparse.Namespace, question: str) -> None:
    if arguments.yes:
        return
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NoVerdict("not added: nobody said yes")


def _tried(task: GoldenTask, versions: Versions, config: Config, repeats: int) -> "Trial":
    from assay.incidents.trial import try_task  # agents take seconds to import

    done = 0

    def count(_: object) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            print(f"\r{done} of {2 * repeats} runs", end="\n" if done == 2 * repeats else "",
                  file=sys.stderr, flush=True)  # fmt: skip

    return asyncio.run(
        try_task(
            task,
            bad=versions.bad,
            good=versions.good,
            config=config,
            repeats=repeats,
            now=datetime.now(UTC),
            on_run=count,
        )
    )


def _forced(arguments: argparse.Namespace, draft: Draft, trial: "Trial") -> Draft:
    """The draft with the reason why it is added all the same.

    Raises:
        NoVerdict: Nobody forces it.
    """
    if not arguments.force:
        raise NoVerdict(
            f"not added: {trial.why_not}",
            mend="tighten it with --bound or --check; or --force --reason TEXT",
        )
    reason = one_line(arguments.reason, max_chars=300)
    said = f"{draft.values['incident']}; added by force ({trial.why_not}): {reason}"
    return replace(draft, values={**draft.values, "incident": said})


def _add(draft: Draft, into: Path, config: Config) -> None:
    harvest = Harvest()
    harvest.add(draft)
    book = write_tasks(harvest, into, config=config, append=True, dry_run=False)
    print(f"added {', '.join(book.new) or 'nothing: it is there by now'} to {into}")
    if is_read(into, config):
        print("next: assay golden check")
    else:
        print(f"next: add {into} to testing.golden_files in assay.yaml")
