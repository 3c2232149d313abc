"""Randomness that depends on which run and step it is, and on nothing else."""

from hashlib import blake2b

from assay.records import RunKey


class Chance:
    """Numbers keyed by seed, prompt_id, golden task, repeat, step and purpose.

    Neither the order of runs nor how many are under way, nor a resume in the
    middle, changes a number; the evaluation's id has no part in it.

    Args:
        key: Whose numbers these are.
    """

    __slots__ = ("_run",)

    def __init__(self, key: RunKey) -> None:
        parts = (str(key.seed), key.prompt_id, key.golden_task_id, str(key.repeat))
        self._run = blake2b("\0".join(parts).encode(errors="replace"), digest_size=16).digest()

    def number(self, purpose: str, *, step: int = 0) -> float:
        """A number in [0, 1): the same each time it is asked for.

        Args:
            purpose: What it decides.
            step: Responses so far; 0 for what holds for the whole run.
        """
        digest = blake2b(f"{step}\0{purpose}".encode(), key=self._run, digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64

    def happens(self, share: float, purpose: str, *, step: int = 0) -> bool:
        """True in a `share` of runs, `share` in [0, 1]."""
        return self.number(purpose, step=step) < share

    def tag(self, purpose: str) -> str:
        """12 hex digits of this run, such as for an idempotency key."""
        return blake2b(purpose.encode(errors="replace"), key=self._run, digest_size=6).hexdigest()
