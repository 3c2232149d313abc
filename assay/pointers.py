"""What an `assay.yaml` sends to production: `prompts.active`, `prompts.rollback`, and a canary.

They are read and rewritten without the rest of the file having to make sense, so that a
typo in a gate cannot stand in the way of a rollback.
"""

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from assay.errors import InputError
from assay.prompts.settings import parse_settings
from assay.yaml_document import NULL_TAG, NUMBER_TAGS, STRING_TAG
from assay.yaml_scalars import Scalar, Value, find_scalars, rewrite_scalars

_SECTION = "prompts"
_CANARY = "rollout.canary"
_DEFAULT_DIRECTORY = "prompts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointers:
    """What a config points at, as refs such as `support:v13`."""

    active: str
    """What production uses."""
    rollback: str
    """What a rollback makes active."""

    def promoting(self, ref: str) -> "Pointers":
        """`ref` active, with the version that it takes over from to go back to."""
        return self if ref == self.active else Pointers(active=ref, rollback=self.active)

    def __str__(self) -> str:
        return f"active {self.active}, rollback {self.rollback}"


class Canary(NamedTuple):
    """A version that a share of production's requests is answered with, beside `active`."""

    version: str | None
    """Such as `support:v14`; None where there is none."""
    share: float
    """In [0, 1]."""

    @property
    def runs(self) -> bool:
        """Whether any request is answered with it."""
        return self.version is not None and self.share > 0

    def __str__(self) -> str:
        return f"canary {self.version} at {self.share:g}" if self.runs else "no canary"


NO_CANARY = Canary(None, 0.0)


class Says(NamedTuple):
    """All that a config sends to production."""

    pointers: Pointers
    canary: Canary | None
    """None where `rollout.canary` is missing or cannot be read."""
    frozen: bool | None = None
    """What `rollout.frozen` says; None where it cannot be read."""


class Snapshot(NamedTuple):
    """A config at one moment."""

    pointers: Pointers
    sha256: str
    """Of the file's bytes, 64 hex digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointerFile:
    """A config's bytes, and where in them the pointers stand."""

    path: Path
    """As the user typed it, for messages."""
    real: Path
    """Without symlinks: what a switch replaces."""
    raw: bytes
    active: Scalar
    rollback: Scalar

    @property
    def snapshot(self) -> Snapshot:
        """What it says, and the hash of what it is."""
        pointers = Pointers(active=self.active.value, rollback=self.rollback.value)
        return Snapshot(pointers, sha256_hex(self.raw))

    @property
    def says(self) -> Says:
        """What it sends to production; a canary that is not readable stands in no switch's way."""
        canary, frozen = None, None
        with contextlib.suppress(InputError):
            canary = self.canary
        with contextlib.suppress(InputError):
            frozen = is_frozen(self.raw, self.path)
        return Says(self.snapshot.pointers, canary, frozen)

    @property
    def canary(self) -> Canary:
        """What `rollout.canary` says.

        Raises:
            InputError: Its `version` or `share` is not there, or is no value of one line.
        """
        version, share = self._canary_scalars()
        return Canary(None if version.tag == NULL_TAG else version.value, _share(share, self.path))

    def with_canary(self, to: Canary) -> bytes:
        """The file's bytes with another canary, and nothing else changed.

        Raises:
            InputError: The values cannot be rewritten where they stand.
        """
        version, share = self._canary_scalars()
        new: dict[Scalar, Value] = {version: to.version}
        if self.canary.share != to.share:  # not `0` to `0.0`
            new[share] = to.share
        return rewrite_scalars(self.raw, new, path=self.path)

    def _canary_scalars(self) -> tuple[Scalar, Scalar]:
        return (
            self._canary_scalar("version", (STRING_TAG, NULL_TAG)),
            self._canary_scalar("share", NUMBER_TAGS),
        )

    def _canary_scalar(self, key: str, tags: tuple[str, ...]) -> Scalar:
        block = "write rollout:, in it canary:, and in that version: null and share: 0"
        found = find_scalars(
            self.raw, section=_CANARY, keys=(key,), path=self.path, tags=tags, mend=block
        )
        if key not in found:
            raise InputError(f"`{_CANARY}.{key}` is missing", path=self.path, mend=block)
        return found[key]

    @property
    def prompts_directory(self) -> Path:
        """Where the prompts' texts are kept.

        Raises:
            InputError: `prompts.directory` is not a string.
        """
        found = find_scalars(self.raw, section=_SECTION, keys=("directory",), path=self.path)
        relative = found["directory"].value if "directory" in found else _DEFAULT_DIRECTORY
        return self.path.parent / relative

    def pointing_at(self, to: Pointers) -> bytes:
        """The file's bytes with other pointers, and nothing else changed.

        Raises:
            InputError: The values cannot be rewritten where they stand.
        """
        new_values = {self.active: to.active, self.rollback: to.rollback}
        return rewrite_scalars(self.raw, new_values, path=self.path)


def read_pointer_file(path: Path) -> PointerFile:
    """Read the config at `path`.

    Raises:
        InputError: There is no such file, it is not YAML, or one of the pointers is missing
            or not a plain or quoted string.
    """
    real = Path(os.path.realpath(path))  # unlike resolve(), it leaves a loop to the reading
    try:
        raw = real.read_bytes()
    except OSError as refused:
        raise InputError(
            f"cannot be read: {refused.strerror}", path=path, mend="name the config with -c FILE"
        ) from None
    return parse_pointer_file(path, real, raw)


def parse_pointer_file(path: Path, real: Path, raw: bytes) -> PointerFile:
    """The same of bytes that have been read, or that are to be written."""
    found = find_scalars(raw, section=_SECTION, keys=("active", "rollback"), path=path)
    for key in ("active", "rollback"):
        if key not in found:
            raise InputError(
                f"`{_SECTION}.{key}` is missing",
                path=path,
                line=next((scalar.line for scalar in found.values()), None),
                mend=f'add {key}: "NAME:VERSION" there; `rollback` may be the active version',
            )
    return PointerFile(
        path=path, real=real, raw=raw, active=found["active"], rollback=found["rollback"]
    )


def _share(scalar: Scalar, path: Path) -> float:
    try:
        return float(scalar.value)
    except ValueError:  # `0x1F` and `1:30` are numbers in YAML 1.1
        raise InputError(
            f"`{_CANARY}.share` must be a number",
            path=path,
            line=scalar.line,
            mend="write plain digits, such as 0.05",
        ) from None


def is_frozen(raw: bytes, path: Path) -> bool:
    """What `rollout.frozen` says, as production reads it.

    Raises:
        InputError: Production could not read the file.
    """
    return parse_settings(raw, path).frozen


def sha256_hex(raw: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(raw).hexdigest()
