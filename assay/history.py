"""`history.jsonl` beside `assay.yaml`: who switched what, when, why, on which evidence.

Append-only and committed, one JSON object a line, hash-chained when it is appended
(`assay.chain`). A broken line (a torn write, a merge conflict) is skipped with a warning, and
a broken chain is `assay history verify`'s to find: history informs a rollback and must never
block one.
"""

import contextlib
import getpass
import json
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from assay.chain import COVERS, MERGE
from assay.errors import CannotEvaluate
from assay.pointers import Canary, Pointers, Says

SCHEMA_VERSION = 1
PROMOTE, FORCE, ROLLBACK = "promote", "force", "rollback"
"""Actions: decided by an evaluation; promoted by hand, without one; taken back."""
CANARY_START, CANARY_STOP, CANARY_ALARM = "canary_start", "canary_stop", "canary_alarm"
"""Actions on the canary: begun; ended, by hand or by its budget; taken back, being worse."""
CANARY_RAISE = "canary_raise"
"""Action on the canary: its share is another; what is compared begins anew there."""
FREEZE, UNFREEZE = "freeze", "unfreeze"
"""Actions on `rollout.frozen`: production keeps to the last good version, and no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Who switches, when and why, on which evidence."""

    action: str
    """One of those above."""
    who: str
    at: datetime
    """With a time zone."""
    reason: str
    prompt_ids: Mapping[str, str] = field(default_factory=dict)
    """Ref to prompt_id, where known."""
    evaluation_id: str | None = None
    evidence_sha256: str | None = None
    """Of what the decision was computed from."""
    approved_by: str | None = None
    """Who approved it, where `rollout.approval` asks for that."""
    overrides: tuple[str, ...] = ()
    """What was passed over, such as `force` or `allow_different=model`; the reason says why."""


class CanaryChange(NamedTuple):
    """What became of the canary."""

    before: Canary
    after: Canary


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One switch, as history keeps it; or what switches nothing: a canary, a freeze, a merge."""

    cause: Cause
    config: str
    """File name of the config: several may share a folder, and so a history."""
    before: Pointers
    after: Pointers
    config_sha256_before: str
    config_sha256_after: str
    canary: CanaryChange | None = None
    """None where it is not about a canary."""
    frozen: bool | None = None
    """What `rollout.frozen` says after it; None where it is not about that."""
    covers_sha256: str | None = None
    """Of a merge: the hash of all the lines above, which it accepts as they are."""
    kept: bytes = field(default=b"", compare=False, repr=False)
    """The line as it was read, with its hashes."""

    @property
    def is_switch(self) -> bool:
        """Whether it is about the pointers."""
        return self.canary is None and self.frozen is None and self.cause.action != MERGE

    def led_to(self, says: Says) -> bool:
        """Whether the config says what it was made to say."""
        if self.canary is not None:
            return self.canary.after == says.canary
        if self.frozen is not None:
            return self.frozen == says.frozen
        return self.after == says.pointers

    def as_line(self) -> bytes:
        """One line of JSON, its newline included; without the hashes, which its place gives it."""
        fields: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "at": self.cause.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "action": self.cause.action,
            "who": self.cause.who,
            "reason": self.cause.reason,
            "config": self.config,
            "from": {"active": self.before.active, "rollback": self.before.rollback},
            "to": {"active": self.after.active, "rollback": self.after.rollback},
            "prompt_ids": dict(self.cause.prompt_ids),
            "evaluation_id": self.cause.evaluation_id,
            "evidence_sha256": self.cause.evidence_sha256,
            "approved_by": self.cause.approved_by,
            "config_sha256": {
                "before": self.config_sha256_before,
                "after": self.config_sha256_after,
            },
        }
        if self.canary is not None:
            fields["canary"] = {
                "from": self.canary.before._asdict(),
                "to": self.canary.after._asdict(),
            }
        optional = {
            "overrides": list(self.cause.overrides) or None,
            "frozen": self.frozen,
            COVERS: self.covers_sha256,
        }
        fields |= {name: value for name, value in optional.items() if value is not None}
        line = json.dumps(fields, ensure_ascii=False)
        # An argument that was not UTF-8 holds lone surrogates: those become JSON escapes.
        return line.encode("utf-8", "backslashreplace") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Entry":
        """Read `as_line` back; fields of a later version are passed over.

        Raises:
            ValueError: It is not an entry.
        """
        try:
            return cls._from_fields(json.loads(line), kept=line.strip())
        except (KeyError, TypeError, AttributeError, RecursionError) as wrong:
            raise ValueError(f"not an entry: {wrong!r}") from None

    @classmethod
    def _from_fields(cls, fields: dict[str, Any], *, kept: bytes) -> "Entry":
        return cls(
            cause=Cause(
                action=str(fields["action"]),
                who=str(fields["who"]),
                at=_aware(datetime.fromisoformat(fields["at"])),
                reason=str(fields["reason"]),
                prompt_ids=dict(fields.get("prompt_ids") or {}),
                evaluation_id=fields.get("evaluation_id"),
                evidence_sha256=fields.get("evidence_sha256"),
                approved_by=fields.get("approved_by"),
                overrides=tuple(map(str, fields.get("overrides") or ())),
            ),
            config=str(fields["config"]),
            before=_pointers(fields["from"]),
            after=_pointers(fields["to"]),
            config_sha256_before=str(fields["config_sha256"]["before"]),
            config_sha256_after=str(fields["config_sha256"]["after"]),
            canary=_canary_change(fields.get("canary")),
            frozen=fields.get("frozen"),
            covers_sha256=fields.get(COVERS),
            kept=kept,
        )


class History(NamedTuple):
    """The switches of one config, oldest first, and what became of its canaries."""

    entries: tuple[Entry, ...]
    warnings: tuple[str, ...] = ()
    """What could not be read, or not be recorded yet."""
    owed: tuple[Entry, ...] = ()
    """Those of the entries that are not in the file yet."""
    canaries: tuple[Entry, ...] = ()
    """The changes of its canary, oldest first; they are none of the switches."""
    others: tuple[Entry, ...] = ()
    """Freezes and merges, oldest first."""

    @property
    def is_frozen(self) -> bool:
        """What its last freeze, or the end of one, left in force."""
        return next((e.frozen for e in reversed(self.others) if e.frozen is not None), False)

    @property
    def all(self) -> tuple[Entry, ...]:
        """All of them, oldest first."""
        known = self.entries + self.canaries + self.others
        return tuple(sorted(known, key=lambda entry: entry.cause.at))


def history_path(config: Path) -> Path:
    """Where the switches of `config` are recorded: beside the real file."""
    return config.resolve().with_name("history.jsonl")


def read_history(config: Path) -> History:
    """The recorded switches of `config` (the path of an `assay.yaml`); never raises on content."""
    return history_of(*read_entries(history_path(config), config_name=config.resolve().name))


Entries = tuple[tuple[Entry, ...], tuple[str, ...]]
"""In the order of the file; and warnings."""


def read_entries(path: Path, *, config_name: str) -> Entries:
    """The entries in the file `path` that are about the config of that name."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return (), ()
    except OSError as refused:
        return (), (f"{path}: cannot be read: {refused.strerror}",)
    return _parse(lines, path=path, config_name=config_name)


def read_bytes(path: Path) -> bytes:
    """The file as it is, for its chain; nothing of one that is not there.

    Raises:
        CannotEvaluate: It cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as refused:
        raise CannotEvaluate(f"{path}: cannot be read: {refused.strerror}") from None


def whoami() -> str:
    """`user@host`, as far as this machine knows."""
    user = f"uid{os.getuid()}"
    with contextlib.suppress(KeyError, OSError):  # a container's user may have no name
        user = getpass.getuser()
    return f"{user}@{socket.gethostname()}"


def _parse(lines: list[bytes], *, path: Path, config_name: str) -> Entries:
    entries: list[Entry] = []
    warnings: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = Entry.from_line(line)
        except ValueError:
            warnings.append(f"{path}:{number}: not a history entry; skipped")
        else:
            if entry.config == config_name:
                entries.append(entry)
    return tuple(entries), tuple(warnings)


def history_of(
    entries: Iterable[Entry], warnings: tuple[str, ...], owed: tuple[Entry, ...] = ()
) -> History:
    """Entries in their order, switches and changes of the canary apart."""
    kept = tuple(entries)
    return History(
        tuple(entry for entry in kept if entry.is_switch),
        warnings,
        owed,
        tuple(entry for entry in kept if entry.canary is not None),
        tuple(entry for entry in kept if entry.canary is None and not entry.is_switch),
    )


def _canary_change(fields: Mapping[str, Any] | None) -> CanaryChange | None:
    if fields is None:
        return None
    return CanaryChange(
        *(
            Canary(None if each["version"] is None else str(each["version"]), float(each["share"]))
            for each in (fields["from"], fields["to"])
        )
    )


def _pointers(fields: Mapping[str, Any]) -> Pointers:
    return Pointers(active=str(fields["active"]), rollback=str(fields["rollback"]))


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
