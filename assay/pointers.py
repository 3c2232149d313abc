"""The two pointers of an `assay.yaml`: `prompts.active` and `prompts.rollback`.

They are read and rewritten without the rest of the file having to make sense, so that a
typo in a gate cannot stand in the way of a rollback.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from assay.errors import InputError
from assay.yaml_scalars import Scalar, find_scalars, rewrite_scalars

_SECTION = "prompts"
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


def sha256_hex(raw: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(raw).hexdigest()
