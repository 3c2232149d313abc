"""Both clients under a config that is switched a thousand times while they read it."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from assay import prompts
from assay.history import FORCE, Cause
from assay.live import read_pointers, switch
from assay.prompts.client import Client
from tests.clients.conftest import VERSIONS, config_text, text_of, until

READER = Path(__file__).with_name("reader.mjs")
SWITCHES = 1_000
GOOD = {text_of(version) for version in VERSIONS}


def test_a_thousand_switches_are_never_seen_half(config: Path, node: str) -> None:
    """By Assay's own switch, and by writers that tear the file in place.

    Every text that was served is a good one, nobody fails, and the last switch is followed.
    """
    client = prompts.open(config, check_every_s=0.01)
    seen: set[str] = set()
    with threads_that_pick(client, seen) as failed, process_that_picks(config, node) as reader:
        for number in range(SWITCHES):
            one_switch(config, number)
            if number % 90 == 0:  # nobody reads a file that never lies still
                until_both_serve(version_of(number), client, reader)
        config.write_text(config_text("v4"))
        until_both_serve("v4", client, reader)
        out, _ = reader.communicate(timeout=60)
    assert not failed
    said = json.loads(out.splitlines()[-1])
    assert (seen | set(said["texts"])) <= GOOD
    assert said["error"] is None
    assert client.error is None


def version_of(number: int) -> str:
    return VERSIONS[number % len(VERSIONS)]


def until_both_serve(version: str, client: Client, reader: "subprocess.Popen[str]") -> None:
    until(lambda: client.choose("user-1").version == version)
    until(lambda: asked(reader) == version)


def one_switch(config: Path, number: int) -> None:
    version = version_of(number)
    if number % 10 == 0:
        now = read_pointers(config).pointers
        cause = Cause(action=FORCE, who="tests", at=datetime.now(UTC), reason=str(number))
        switch(config, to=now.promoting(f"support:{version}"), expect=now, cause=cause)
        return
    canary = None if number % 2 else VERSIONS[(number + 1) % len(VERSIONS)]
    tear(config, config_text(version, canary=canary, share=0.5).encode(), at=number)


def tear(config: Path, raw: bytes, *, at: int) -> None:
    """Overwrite it in two halves, as `cp` and some editors do."""
    file = os.open(config, os.O_WRONLY | (os.O_TRUNC if at % 3 else 0))
    middle = at % len(raw)
    try:
        os.write(file, raw[:middle])
        time.sleep(0.001)
        os.write(file, raw[middle:])
        os.ftruncate(file, len(raw))
    finally:
        os.close(file)


@contextmanager
def threads_that_pick(client: Client, seen: set[str]) -> Iterator[list[BaseException]]:
    stop, failed = threading.Event(), list[BaseException]()

    def pick() -> None:
        try:
            while not stop.wait(0.002):
                seen.update(client.choose(f"user-{number}").text for number in range(20))
        except BaseException as wrong:  # noqa: BLE001 - told by the test
            failed.append(wrong)

    threads = [threading.Thread(target=pick) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        yield failed
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def process_that_picks(config: Path, node: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [node, "--no-warnings", str(READER), str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        try:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "reading\n"
            yield reader
        finally:
            reader.kill()


def asked(reader: "subprocess.Popen[str]") -> str:
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write("\n")
    reader.stdin.flush()
    return reader.stdout.readline().strip()
