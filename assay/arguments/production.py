"""Commands about what runs in production: `canary ...` and `monitor`."""

from pathlib import Path

from assay.arguments.declaring import Commands, add_evidence, add_often, add_reason, command, group


def add_canary(commands: Commands) -> None:
    """A version on a share of production."""
    actions = group(
        commands,
        "canary",
        says="A version that a share of production's requests is answered with, and its watch.",
    )
    start = command(
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
    add_evidence(start)
    stop = command(
        actions, "stop", runs="canary_end:stop", says="Answer no request with the canary any more."
    )
    add_reason(stop)
    command(actions, "status", runs="canary:status", says="The canary, as it was last looked at.")
    watch = command(
        actions,
        "watch",
        runs="canary:watch",
        says="Compare the canary with the active version; take it back at once if it is worse. "
        "Once it has shown itself no worse, raise its share, and in the end make it active "
        "(rollout.canary.steps).",
    )
    add_often(watch, on="an alarm")
    promote = command(
        actions,
        "promote",
        runs="canary:promote",
        says="Make the canary active, if it has shown itself no worse at its last step.",
    )
    add_reason(promote)
    _add_listen(actions)


def _add_listen(actions: Commands) -> None:
    listen = command(
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


def add_monitor(commands: Commands) -> None:
    """What production uses."""
    monitor = command(
        commands,
        "monitor",
        runs="monitoring:monitor",
        says="Spend, tool calls, tokens and latency of production's runs, by hour and prompt; "
        "limits and token spikes.",
    )
    add_often(monitor, on="a breach")
    monitor.add_argument("--json", action="store_true", help="one line of JSON for each look")
