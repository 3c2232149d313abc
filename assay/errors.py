"""Every error that Assay raises on purpose.

    AssayError
    ├── InputError           the user's file or flag is wrong           exit 2
    ├── NoVerdict            nothing can be decided, or be switched     exit 3
    │   ├── NotEnoughEvidence    the data cannot carry the statistic
    │   └── ConfigChanged        the config moved while we were deciding
    └── CannotEvaluate       the evaluation could not be carried out    exit 4

Anything else that escapes is a bug: it keeps its traceback and exits 4.
"""

from pathlib import Path
from typing import ClassVar


class AssayError(Exception):
    """An error that says what is wrong and how to mend it, without a traceback."""

    exit_code: ClassVar[int] = 4

    def __init__(self, problem: str, *, mend: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.mend = mend

    def __str__(self) -> str:
        """`problem`, then `mend: ...` on an indented line of its own."""
        return self.problem if self.mend is None else f"{self.problem}\n  mend: {self.mend}"


class InputError(AssayError):
    """A file or flag of the user's is wrong: `path:line: problem`.

    Args:
        problem: What is wrong, naming the value.
        path: The file, as the user would type it; None for a flag.
        line: 1-based line in `path`, where one is known.
        mend: What to do about it.
    """

    exit_code = 2

    def __init__(
        self,
        problem: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        mend: str | None = None,
    ) -> None:
        where = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(f"{where}{problem}", mend=mend)
        self.path = None if path is None else Path(path)
        self.line = line


class NoVerdict(AssayError):
    """No verdict is possible, or a promote could not be carried out."""

    exit_code = 3


class NotEnoughEvidence(NoVerdict):
    """The data cannot carry this statistic (too few tasks, a base mean of zero)."""


class ConfigChanged(NoVerdict):
    """`assay.yaml` is no longer what the decision was made for; it is left as it is."""


class CannotEvaluate(AssayError):
    """The evaluation could not be carried out (no server, a full disk)."""

    exit_code = 4
