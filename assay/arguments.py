"""Every command of `assay` with its arguments, and which function carries it out."""

import argparse
from importlib.metadata import version
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    top = argparse.ArgumentParser(
        prog="assay",
        description="Change the prompts of AI agents without breaking production.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"assay {version('assay')}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _add_evaluate(commands)
    _add_nightly(commands)
    _add_plan(commands)
    _add_compare(commands)
    _add_explain(commands)
    _add_selftest(commands)
    _add_switching(commands)
    _add_canary(commands)
    _add_monitor(commands)
    _add_reading(commands)
    _add_alerts(commands)
    _add_server(commands)
    doctor = _command(
        commands,
        "doctor",
        runs="doctoring:doctor",
        says="Is this installation well? What is wrong, and what mends it; changes nothing.",
    )
    doctor.add_argument("--json", type=Path, metavar="FILE", help="write what was found; - prints")
    return top


Commands = argparse._SubParsersAction


def _command(
    commands: "Commands[argparse.ArgumentParser]", name: str, *, runs: str, says: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=says, description=says, allow_abbrev=False)
    command.add_argument(
        "-c",
        "--config",
        type=Path,
        default=Path("assay.yaml"),
        metavar="FILE",
        help="the configuration (default: assay.yaml)",
    )
    command.set_defaults(command=runs)
    return command


def _add_evaluate(commands: "Commands[argparse.ArgumentParser]") -> None:
    command = _command(
        commands,
        "evaluate",
        runs="evaluate:evaluate",
        says="Run every golden task with a candidate and the baseline, decide, switch on promote.",
    )
    command.add_argument(
        "candidates",
        metavar="CANDIDATE",
        nargs="+",
        help="such as support:v14, or v14; each of several gets a verdict of its own",
    )
    command.add_argument("--baseline", metavar="V", help="compare with this (default: active)")
    command.add_argument("--repeats", type=int, metavar="N", help="runs of each golden task")
    command.add_argument("--seed", type=int, metavar="N", help="of the runs' randomness")
    command.add_argument("-j", "--max-concurrency", type=int, metavar="N", help="runs at once")
    switching = command.add_mutually_exclusive_group()
    switching.add_argument("--no-switch", action="store_true", help="decide only")
    switching.add_argument(
        "--switch-best",
        action="store_true",
        help="of several candidates, switch to the best that is promoted (else none)",
    )
    _add_scope(command)
    command.add_argument(
        "--json", type=Path, metavar="FILE", help="write the decision; - prints it"
    )
    command.add_argument("--resume", metavar="ID", help="finish an interrupted evaluation")
    _add_record(command)


def _add_record(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--record", action="store_true", help="keep every exchange with the model and the tools"
    )
    command.add_argument(
        "--replay",
        choices=("tools", "all"),
        help="let a record answer what tools are asked; with all, what the model is asked, too: "
        "without a network, at no cost, and nothing is switched; an agent of your own behind "
        "agent.proxy runs all the same, with its tools",
    )
    command.add_argument(
        "--record-of",
        metavar="ID",
        help="the evaluation whose record answers (default: the newest that will do)",
    )


def _add_nightly(commands: "Commands[argparse.ArgumentParser]") -> None:
    command = _command(
        commands,
        "nightly",
        runs="night:nightly",
        says="What a schedule does every night: has the active prompt got worse, or the world "
        "outside moved; then the candidates that wait.",
    )
    command.add_argument("-j", "--max-concurrency", type=int, metavar="N", help="runs at once")
    command.add_argument(
        "--json", type=Path, metavar="FILE", help="write what the night found; - prints it"
    )


def _add_plan(commands: "Commands[argparse.ArgumentParser]") -> None:
    command = _command(
        commands,
        "plan",
        runs="planning:plan",
        says="What an evaluation will cost and can show, from recorded runs; runs nothing.",
    )
    command.add_argument("candidate", metavar="CANDIDATE", help="such as support:v14, or v14")
    command.add_argument("--baseline", metavar="V", help="compare with this (default: active)")
    command.add_argument("--repeats", type=int, metavar="N", help="runs of each golden task")
    command.add_argument(
        "--json", type=Path, metavar="FILE", help="write the forecast; - prints it"
    )


def _add_compare(commands: "Commands[argparse.ArgumentParser]") -> None:
    command = _command(
        commands,
        "compare",
        runs="comparing:compare",
        says="Decide on a run log of any harness: JSON lines, CSV or Parquet.",
    )
    command.add_argument("runs", type=Path, metavar="RUNS", help="the log, or a folder of Parquet")
    command.add_argument("--baseline", required=True, metavar="ID", help="prompt to compare with")
    command.add_argument("--candidate", required=True, metavar="ID", help="prompt to judge")
    command.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="which of the log's columns is ours, such as success=resolved; others are guessed",
    )
    _add_scope(command)
    command.add_argument(
        "--critical", action="append", default=[], metavar="TASK", help="a task that must not break"
    )
    command.add_argument(
        "--json", type=Path, metavar="FILE", help="write the decision; - prints it"
    )


def _add_scope(command: argparse.ArgumentParser) -> None:
    """What the verdict is about, and in what the arms may differ."""
    command.add_argument(
        "--scope",
        choices=("golden_tasks", "traffic"),
        help="what the verdict is about (default: gates.scope): these golden tasks, or the "
        "traffic that they are a sample of, which needs more of them",
    )
    command.add_argument(
        "--allow-different",
        action="append",
        default=[],
        metavar="FIELD",
        help="compare although the arms differ in this, such as model",
    )


def _add_explain(commands: "Commands[argparse.ArgumentParser]") -> None:
    command = _command(
        commands,
        "explain",
        runs="explaining:explain",
        says="Why tokens, tool calls and spend changed: the prompt, the traffic mix, the model "
        "or tools; exit code 3 where the runs cannot tell.",
    )
    side = "a prompt (v13, support:v13), a time, a range START/END in ISO 8601, or a file of runs"
    command.add_argument("--before", metavar="A", help=f"{side}; of a time, what ran before it")
    command.add_argument("--after", metavar="B", help="the same; of a time, what ran from it on")
    command.add_argument("--split-at", metavar="TIME", help="before and after this time")
    command.add_argument(
        "--runs",
        nargs="+",
        default=[],
        metavar="FILE",
        help="run logs: JSON lines, CSV, Parquet or an evaluation's folder (default: those of "
        "production, as assay monitor finds them)",
    )
    command.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="which of the log's columns is ours, such as category=intent; others are guessed",
    )
    command.add_argument("--seed", type=int, default=20261120, metavar="N", help="of resampling")
    command.add_argument("--json", type=Path, metavar="FILE", help="write it as JSON; - prints it")


def _add_selftest(commands: "Commands[argparse.ArgumentParser]") -> None:
    command = _command(
        commands,
        "selftest",
        runs="selftesting:run",
        says="Judge the active prompt against itself on recorded runs: how often that errs.",
    )
    command.add_argument("--evaluations", type=int, default=500, metavar="N", help="default: 500")
    command.add_argument(
        "--runs",
        default="results",
        metavar="FILE",
        help="a run log to draw from (default: results, the recorded evaluations)",
    )
    command.add_argument("--seed", type=int, metavar="N", help="of the draws")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the rates; - prints them")


def _add_switching(commands: "Commands[argparse.ArgumentParser]") -> None:
    promote = _command(
        commands,
        "promote",
        runs="switching:promote",
        says="Make a version active, on the evidence of an evaluation or by force.",
    )
    promote.add_argument("version", metavar="V", help="such as support:v15, or v15")
    evidence = promote.add_mutually_exclusive_group(required=True)
    evidence.add_argument("--evaluation", metavar="ID", help="whose verdict was promote")
    evidence.add_argument("--force", action="store_true", help="without evidence")
    promote.add_argument("--reason", metavar="TEXT", help="for the history; needed with --force")
    approve = _command(
        commands,
        "approve",
        runs="switching:approve",
        says="Switch what an evaluation decided that awaits approval.",
    )
    approve.add_argument("evaluation", metavar="ID", help="its id, or how it begins")
    approve.add_argument("--reason", metavar="NOTE", help="for the history")
    rollback = _command(
        commands,
        "rollback",
        runs="rolling_back:rollback",
        says="Go back to prompts.rollback at once.",
    )
    rollback.add_argument("--reason", metavar="TEXT", help="for the history")
    freeze = _command(
        commands,
        "freeze",
        runs="freezing:freeze",
        says="The kill switch (rollout.frozen): production keeps to the last good version, "
        "without a canary, and nothing is promoted.",
    )
    freeze.add_argument("--reason", metavar="TEXT", help="for the history")
    unfreeze = _command(
        commands, "unfreeze", runs="freezing:unfreeze", says="Take the kill switch back."
    )
    unfreeze.add_argument("--reason", metavar="TEXT", help="for the history; needed")


def _add_canary(commands: "Commands[argparse.ArgumentParser]") -> None:
    says = "A version that a share of production's requests is answered with, and its watch."
    canary = commands.add_parser("canary", help=says, description=says)
    actions = canary.add_subparsers(required=True, metavar="ACTION")
    start = _command(
        actions,
        "start",
        runs="canary:start",
        says="Answer a share of production's requests with a version.",
    )
    start.add_argument("version", metavar="V", help="such as support:v15, or v15")
    start.add_argument(
        "--share",
        type=float,
        metavar="S",
        help="of requests (default: the first of rollout.canary.steps, else rollout.canary.share)",
    )
    evidence = start.add_mutually_exclusive_group(required=True)
    evidence.add_argument("--evaluation", metavar="ID", help="whose verdict was promote")
    evidence.add_argument("--force", action="store_true", help="without evidence")
    start.add_argument("--reason", metavar="TEXT", help="for the history; needed with --force")
    stop = _command(
        actions, "stop", runs="canary_end:stop", says="Answer no request with the canary any more."
    )
    stop.add_argument("--reason", metavar="TEXT", help="for the history")
    _command(actions, "status", runs="canary:status", says="The canary, as it was last looked at.")
    watch = _command(
        actions,
        "watch",
        runs="canary:watch",
        says="Compare the canary with the active version; take it back at once if it is worse. "
        "Once it has shown itself no worse, raise its share, and in the end make it active "
        "(rollout.canary.steps).",
    )
    often = watch.add_mutually_exclusive_group()
    often.add_argument("--once", action="store_true", help="look once; exit code 3 on an alarm")
    often.add_argument(
        "--every", type=float, default=60.0, metavar="SECONDS", help="look so often (default: 60)"
    )
    promote = _command(
        actions,
        "promote",
        runs="canary:promote",
        says="Make the canary active, if it has shown itself no worse at its last step.",
    )
    promote.add_argument("--reason", metavar="TEXT", help="for the history")
    _add_listen(actions)


def _add_listen(actions: "Commands[argparse.ArgumentParser]") -> None:
    listen = _command(
        actions,
        "listen",
        runs="listening:listen",
        says="Take OpenTelemetry traces (OTLP over HTTP), and write the runs in them to a run log.",
    )
    listen.add_argument("--host", default="127.0.0.1", help="to bind (default: 127.0.0.1)")
    listen.add_argument("--port", type=int, default=4318, metavar="N", help="default: 4318")
    listen.add_argument(
        "--into", type=Path, default=Path("logs"), metavar="FOLDER", help="default: logs"
    )
    listen.add_argument(
        "--settle",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="write a run when nothing came for it for so long (default: 10)",
    )
    listen.add_argument(
        "--unfinished-after",
        type=float,
        metavar="SECONDS",
        help="the same of a run whose own span has not come (default: 300, or twice "
        "budgets.max_seconds)",
    )


def _add_monitor(commands: "Commands[argparse.ArgumentParser]") -> None:
    monitor = _command(
        commands,
        "monitor",
        runs="monitoring:monitor",
        says="Spend, tool calls, tokens and latency of production's runs, by hour and prompt; "
        "limits and token spikes.",
    )
    often = monitor.add_mutually_exclusive_group()
    often.add_argument("--once", action="store_true", help="look once; exit code 3 on a breach")
    often.add_argument(
        "--every", type=float, default=60.0, metavar="SECONDS", help="look so often (default: 60)"
    )
    monitor.add_argument("--json", action="store_true", help="one line of JSON for each look")


def _add_reading(commands: "Commands[argparse.ArgumentParser]") -> None:
    _command(
        commands,
        "status",
        runs="reading:status",
        says="What is active, what happened last, what is running.",
    )
    history = _command(
        commands,
        "history",
        runs="auditing:history",
        says="Who switched what, when, why, on which evidence.",
    )
    history.add_argument(
        "action",
        nargs="?",
        choices=("verify", "merge"),
        help="verify: was a line changed, removed, inserted or moved? exit code 3 if so; "
        "merge: accept the lines of two branches that were merged",
    )
    history.add_argument("--at", metavar="TIME", help="what was in production then, in ISO 8601")
    history.add_argument(
        "--head", metavar="HASH", help="verify: that nothing was cut off since this was the head"
    )
    history.add_argument(
        "--evidence",
        action="store_true",
        help="verify: that the runs which each switch was decided on are still the same",
    )
    history.add_argument("--reason", metavar="TEXT", help="merge: for the history")
    history.add_argument("--json", action="store_true", help="as JSON; the lines as they are kept")
    show = _command(
        commands, "show", runs="reading:show", says="The decision of an evaluation, again."
    )
    show.add_argument("evaluation", metavar="ID", help="its id, or how it begins")
    show.add_argument("--json", action="store_true", help="as JSON")
    golden = commands.add_parser("golden", help="Golden tasks.", description="Golden tasks.")
    actions = golden.add_subparsers(required=True, metavar="ACTION")
    _command(
        actions,
        "check",
        runs="reading:golden_check",
        says="Read the configuration, prompts and golden tasks; say what is wrong.",
    )
    _add_golden_add(actions)
    _add_import(actions)


def _add_golden_add(actions: "Commands[argparse.ArgumentParser]") -> None:
    command = _command(
        actions,
        "add",
        runs="from_run:golden_add",
        says="A golden task out of a production run that went wrong: masked, bounded, and added "
        "only if the bad version fails it and the good one passes.",
    )
    run = command.add_mutually_exclusive_group(required=True)
    run.add_argument("--from-run", metavar="RUN_ID", help="a run in production's logs or results")
    run.add_argument("--from-line", metavar="FILE:LINE", help="a run on a line of JSON")
    command.add_argument(
        "--log", type=Path, metavar="FILE", help="the log that holds the run; - is standard input"
    )
    command.add_argument(
        "--input", metavar="TEXT", help="what the user said, or @FILE, where the log does not say"
    )
    command.add_argument("--bad", metavar="V", help="must fail it (default: what the run ran)")
    command.add_argument("--good", metavar="V", help="must pass it (default: active or rollback)")
    command.add_argument("--incident", metavar="TEXT", help="a ticket's number, or a few words")
    command.add_argument("--category", metavar="NAME", help="kind of traffic (default: the run's)")
    command.add_argument(
        "--bound",
        action="append",
        default=[],
        metavar="NAME[=VALUE]",
        help="max_seconds: derive that, too; max_tokens=9000: set it; max_tokens=none: drop it",
    )
    command.add_argument(
        "--check",
        action="append",
        default=[],
        metavar="TYPE=VALUE",
        help="what else a run must show, such as icontains='45 days'",
    )
    command.add_argument(
        "--into", type=Path, metavar="FILE", help="where to (default: golden/incidents.jsonl)"
    )
    command.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="runs of each version (default: 5)"
    )
    asking = command.add_mutually_exclusive_group()
    asking.add_argument("--yes", action="store_true", help="do not ask")
    asking.add_argument("--dry-run", action="store_true", help="run nothing and write nothing")
    command.add_argument("--force", action="store_true", help="add it although it does not tell")
    command.add_argument("--reason", metavar="TEXT", help="why; needed with --force")


def _add_import(actions: "Commands[argparse.ArgumentParser]") -> None:
    command = _command(
        actions,
        "import",
        runs="importing:golden_import",
        says="Golden tasks out of promptfoo's tests, CSV, JSON lines and chat logs; what cannot "
        "be carried over is listed with its line.",
    )
    command.add_argument("file", type=Path, metavar="FILE", help=".yaml, .json, .jsonl or .csv")
    command.add_argument(
        "--into", type=Path, metavar="FILE", help="where to (default: golden/, named after FILE)"
    )
    command.add_argument("--append", action="store_true", help="add what is new to a file")
    command.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="which column or variable is ours, such as input=question; others are guessed",
    )
    command.add_argument(
        "--prompts",
        type=Path,
        metavar="DIR",
        help="keep the instructions of promptfoo's prompts as versions, such as prompts/support",
    )
    command.add_argument("--dry-run", action="store_true", help="write nothing")
    command.add_argument("--json", action="store_true", help="as JSON, with all that is left out")


def _add_alerts(commands: "Commands[argparse.ArgumentParser]") -> None:
    alerts = commands.add_parser(
        "alerts", help="Who is told what happens.", description="Who is told what happens."
    )
    actions = alerts.add_subparsers(required=True, metavar="ACTION")
    _command(
        actions,
        "test",
        runs="alerting:send_test",
        says="Send a test alert to every configured receiver; exit code 4 if one is not reached.",
    )


def _add_server(commands: "Commands[argparse.ArgumentParser]") -> None:
    server = commands.add_parser(
        "server", help="The local Prefect server.", description="The local Prefect server."
    )
    actions = server.add_subparsers(required=True, metavar="ACTION")
    start = _command(actions, "start", runs="serving:start", says="Start it, if it does not run.")
    start.add_argument("--host", default="127.0.0.1", help="address to bind (default: 127.0.0.1)")
    start.add_argument(
        "--with-worker",
        action="store_true",
        help="also deploy the flows of prefect.yaml and run a worker for them",
    )
    _command(
        actions, "stop", runs="serving:stop", says="Stop the worker and the server; data stay."
    )
    _command(
        actions,
        "status",
        runs="serving:status",
        says="Whether server and worker run, what is deployed, and when it is due.",
    )
