"""A simulated production: run logs of an agent of which a share of the runs is a canary's."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]


@dataclass(slots=True)
class Production:
    """Runs one after the other, three seconds apart, in one log."""

    log: Path
    active: str
    """Its prompt_id."""
    canary: str
    share: float = 0.2
    """More than in life, so that a test needs few runs."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    seed: int = 1
    _rng: np.random.Generator = field(init=False)
    _n: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self.log.parent.mkdir(parents=True, exist_ok=True)

    def rows(self, n: int, *, tokens: float = 1.0, calls: float = 1.0, **more: Any) -> list[Row]:
        """Runs, whose canaries use so much more."""
        return [self._row(tokens=tokens, calls=calls) | more for _ in range(n)]

    def runs(self, n: int, *, tokens: float = 1.0, calls: float = 1.0, **more: Any) -> None:
        """Log so many more runs."""
        self.write(self.rows(n, tokens=tokens, calls=calls, **more))

    def write(self, rows: list[Row]) -> None:
        """Append lines."""
        with self.log.open("a") as file:
            file.writelines(f"{json.dumps(row)}\n" for row in rows)

    def _row(self, *, tokens: float, calls: float) -> Row:
        self._n += 1
        self.at += timedelta(seconds=3)
        is_canary = bool(self._rng.random() < self.share)
        more = (tokens, calls) if is_canary else (1.0, 1.0)
        used = float(np.exp(self._rng.normal(8.3, 0.6))) * more[0]
        return {
            "run_id": f"run-{self.seed}-{self._n}",
            "prompt_id": self.canary if is_canary else self.active,
            "started_at": self.at.isoformat(),
            "latency_s": round(used / 4000, 3),
            "total_tokens": round(used),
            "tool_calls": int(1 + self._rng.poisson(4 * more[1] - 1)),
            "spend_usd": used * 3e-6,
            "stop_reason": "finish",
            "success": bool(self._rng.random() < 0.98),
        }
