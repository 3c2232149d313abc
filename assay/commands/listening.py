"""`assay canary listen`: takes OpenTelemetry traces, and writes the runs in them to a run log."""

import argparse
import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

from aiohttp import web

from assay.config import Config, load_config
from assay.errors import AssayError, CannotEvaluate, InputError
from assay.models.prices import PriceTable
from assay.models.span_prices import price_span
from assay.otlp.gathering import Bounds, Gathering
from assay.otlp.listening import Listener
from assay.prompt_lock import LOCK_NAME, read_lock
from assay.prompts.run_log import RunLog
from assay.receivers import is_loopback

TOKEN = "ASSAY_LISTEN_TOKEN"  # noqa: S105 - the name of a variable
MIN_TOKEN_CHARS = 16


def listen(arguments: argparse.Namespace) -> int:
    """Listen until it is interrupted or told to end; what is complete by then is written."""
    config = load_config(arguments.config, os.environ)
    token = _token(arguments.host)
    bounds = _bounds(config, arguments.settle, arguments.unfinished_after)
    log = RunLog(config.folder / arguments.into, on_error=lambda error: _say(f"warning: {error}"))
    resolve = Locked(config.folder / config.prompts.directory)
    price = partial(price_span, table=_prices(config))
    gathering = Gathering(resolve=resolve, bounds=bounds, price=price)
    return asyncio.run(_serve(gathering, log, token, arguments.host, arguments.port))


class Locked:
    """Finds the prompt_id of a version in the lock, which is read again when it changes."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._seen = directory, (-1, -1)
        self._ids: dict[str, str] = {}

    def __call__(self, ref: str) -> str | None:
        """None for a version that is not locked; a broken lock leaves what was known before."""
        try:
            stat = (self._directory / LOCK_NAME).stat()
            if (now := (stat.st_mtime_ns, stat.st_ino)) != self._seen:
                self._seen = now
                locked = read_lock(self._directory)
                self._ids = {each: prompt.prompt_id for each, prompt in locked.items()}
        except FileNotFoundError:
            self._ids = {}
        except (OSError, AssayError) as broken:
            _say(f"warning: {broken}")
        return self._ids.get(ref)


async def _serve(gathering: Gathering, log: RunLog, token: str | None, host: str, port: int) -> int:
    listener = Listener(gathering, log, token=token)
    runner = listener.runner()
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except (OSError, OverflowError) as refused:
            why = getattr(refused, "strerror", None) or refused
            raise CannotEvaluate(
                f"cannot listen on {host}:{port}: {why}", mend="give another --port"
            ) from None
        address = runner.addresses[0]
        print(f"listening on http://{address[0]}:{address[1]}/v1/traces", flush=True)
        await _told_to_end()
    finally:
        await runner.cleanup()
        for what, count in listener.status().items():
            _say(f"{what}: {count}")
    return 0


async def _told_to_end() -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()


def _token(host: str) -> str | None:
    token = os.environ.get(TOKEN)
    if token is None and not is_loopback(host):
        raise InputError(
            f"--host {host}: others than this machine would need no token",
            mend=f"put one into the environment variable {TOKEN}",
        )
    if token is not None and (len(token) < MIN_TOKEN_CHARS or not token.isascii()):
        raise InputError(
            f"{TOKEN} is too weak", mend=f"take {MIN_TOKEN_CHARS} or more random letters and digits"
        )
    return token


def _bounds(config: Config, settle_s: float, unfinished_s: float | None) -> Bounds:
    bounds = Bounds()
    if unfinished_s is None:
        unfinished_s = max(bounds.unfinished_s, 2 * config.budgets.max_seconds)
    if not 0 <= settle_s <= unfinished_s:
        raise InputError(
            f"--settle {settle_s:g} and --unfinished-after {unfinished_s:g} do not go together",
            mend="the first is 0 or more, and not above the second",
        )
    return Bounds(settle_s=settle_s, unfinished_s=unfinished_s)


def _prices(config: Config) -> PriceTable:
    """The configuration's own prices, where its agent has any, over the shipped ones."""
    return PriceTable(getattr(config.agent, "prices", {}))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
