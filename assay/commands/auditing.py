"""`assay history [verify | merge]`: what was done; was its record tampered with."""

import argparse
import dataclasses
import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from assay.chain import MERGE, Verified, covering_hash, verify
from assay.commands import reading
from assay.commands.looking_back import what_was
from assay.config import load_config
from assay.errors import InputError, NoVerdict
from assay.evidence import Evidence, Kept, kept_evidence
from assay.history import Cause, history_path, read_bytes, read_history, whoami
from assay.live import read_pointers
from assay.recording import append_entries, settle
from assay.rewriting import entry_of, only_writer

HEAD = re.compile("[0-9a-fA-F]{64}")
SHOWN_FINDINGS = 20
MEND_TAMPERED = "compare it with what was committed: git log -p -- {name}"
MEND_MERGED = 'look at the lines, then accept them: assay history merge --reason "..."'
MEND_HEAD = "lines were cut off at the end, or all was written anew; see git log -p -- {name}"


def history(arguments: argparse.Namespace) -> int:
    """Every switch; or what was asked about them."""
    if arguments.at is not None and arguments.action is None:
        return what_was(arguments)
    if arguments.at is not None:
        raise InputError("--at is a question of its own", mend="assay history --at TIME")
    if arguments.head is not None and arguments.action != "verify":
        raise InputError("--head goes with verify", mend="assay history verify --head HASH")
    if arguments.head is not None and not HEAD.fullmatch(arguments.head.strip()):
        # Not exit code 3: a head that was shortened in a ticket is no alarm.
        raise InputError("--head is no whole hash", mend="give all of its 64 digits")
    if arguments.action == "verify":
        return _verify(arguments)
    if arguments.action == "merge":
        return _merge(arguments)
    return reading.history(arguments)


def _verify(arguments: argparse.Namespace) -> int:
    """Follow the chain; exit code 3 where it is broken."""
    read_pointers(arguments.config)  # a mistyped -c is no clean history
    path = history_path(arguments.config)
    found = verify(read_bytes(path))
    since = None if arguments.head is None else found.heads.get(arguments.head.strip().lower())
    is_lost = arguments.head is not None and since is None
    evidence = _evidence(arguments.config) if arguments.evidence else []
    if arguments.json:
        document = _as_json(found, arguments.head, since)
        print(json.dumps(document | {"evidence": list(map(_evidence_json, evidence))}, indent=2))
    else:
        for line in (*_verify_page(path, found, since), *map(_evidence_line, evidence)):
            print(reading.one_line(line))
    if found.findings:
        first = found.findings[0]
        can_accept = all(each.kind.can_be_accepted for each in found.findings)
        mend = MEND_MERGED if can_accept else MEND_TAMPERED.format(name=path.name)
        raise NoVerdict(f"{path.name}:{first.line}: {first.problem}", mend=mend)
    if is_lost:
        what = f"{path.name} has never had the head {reading.one_line(arguments.head)[:70]}"
        raise NoVerdict(what, mend=MEND_HEAD.format(name=path.name))
    if changed := [each for each in evidence if each.kept is Kept.CHANGED]:
        raise NoVerdict(
            f"{changed[0].where}: is not what the switch was decided on",
            mend="restore it from a backup, or tell why it was changed",
        )
    return 0


def _evidence(path: Path) -> list[Evidence]:
    config = load_config(path, os.environ)
    return list(kept_evidence(read_history(path), config.folder / config.results.uri))


def _evidence_line(one: Evidence) -> str:
    at = f"{one.entry.cause.at:%Y-%m-%d %H:%M}"
    return f"evidence of {at} {one.entry.cause.action}: {one.kept} ({one.where})"


def _evidence_json(one: Evidence) -> dict[str, object]:
    cause = one.entry.cause
    return {
        "at": cause.at.isoformat(),
        "action": cause.action,
        "evidence_sha256": cause.evidence_sha256,
        "where": str(one.where),
        "kept": one.kept,
    }


def _verify_page(path: Path, found: Verified, since: int | None) -> Iterator[str]:
    for each in found.findings[:SHOWN_FINDINGS]:
        yield f"{path.name}:{each.line}: {each.problem}"
    if (more := len(found.findings) - SHOWN_FINDINGS) > 0:
        yield f"and {more} more"
    for each in found.accepted:
        yield f"{path.name}:{each.line}: {each.problem}; accepted by a merge below"
    hashed = found.entries - found.unhashed
    yield f"{found.entries} lines, {hashed} of them in the chain"
    if found.unhashed and hashed:
        yield f"the {found.unhashed} lines before it are covered by its first"
    elif found.unhashed:
        yield "none is hashed: the next switch begins the chain, and covers what stands here now"
    if since is not None:
        yield f"as it was up to line {since}, when its head was that; only lines were added"
    yield f"head: {found.head}"
    if since is None and not found.findings:
        yield "lines cut off at the end do not show: keep the head elsewhere, give it with --head"


def _as_json(found: Verified, head: str | None, since: int | None) -> dict[str, object]:
    said = [each._asdict() for each in (*found.findings, *found.accepted)]
    return {
        "schema_version": 1,
        "is_intact": not found.findings and (head is None or since is not None),
        "lines": found.entries,
        "unhashed": found.unhashed,
        "head": found.head,
        "findings": said[: len(found.findings)],
        "accepted": said[len(found.findings) :],
        "asked_head": head,
        "unchanged_up_to_line": since,
    }


def _merge(arguments: argparse.Namespace) -> int:
    """Accept what a merge of two branches leaves behind, in somebody's name."""
    if not arguments.reason:
        raise InputError("merge needs a reason", mend="add --reason 'which branches were merged'")
    with only_writer(arguments.config) as file:
        settle(file.real, file.says)
        path = history_path(file.real)
        raw = read_bytes(path)
        found = verify(raw)
        if not found.findings:
            print("nothing to accept: the chain is whole")
            return 0
        for each in found.findings:
            if not each.kind.can_be_accepted:
                problem = f"{path.name}:{each.line}: {each.problem}: no merge does that"
                raise NoVerdict(problem, mend=MEND_TAMPERED.format(name=path.name))
        cause = Cause(action=MERGE, who=whoami(), at=datetime.now(UTC), reason=arguments.reason)
        entry = entry_of(file, cause=cause, rewritten=file.raw)
        append_entries(file.real, [dataclasses.replace(entry, covers_sha256=covering_hash(raw))])
        print(f"accepted: {len(found.findings)} places; head: {verify(read_bytes(path)).head}")
    return 0
