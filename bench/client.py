"""What a pick of the production client costs, its look at the file included.

    python bench/client.py [--picks 500000]

A pick looks at the file at most every `check_every_s`; the last line looks in every pick.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from assay import prompts
from assay.prompts.client import Client

CONFIG = """\
prompts: {{active: "support:v13", rollback: "support:v12"}}
rollout: {{canary: {{version: {canary}, share: 0.05}}}}
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picks", type=int, default=500_000)
    picks = parser.parse_args().picks
    with tempfile.TemporaryDirectory() as folder:
        for name, canary, every_s in (
            ("active alone", "null", 0.25),
            ("with a canary", '"support:v14"', 0.25),
            ("a look in every pick", '"support:v14"', 0.0),
        ):
            client = prompts.open(written(Path(folder), canary), check_every_s=every_s)
            each = [microseconds(client, picks // 5) for _ in range(5)]
            print(f"{name:22} {statistics.median(each):6.2f} us (max {max(each):.2f})")


def written(folder: Path, canary: str) -> Path:
    """A workspace of three versions."""
    texts = folder / "prompts" / "support"
    texts.mkdir(parents=True, exist_ok=True)
    for version in ("v12", "v13", "v14"):
        (texts / f"{version}.md").write_text(f"Answer as {version} does.\n")
    config = folder / "assay.yaml"
    config.write_text(CONFIG.format(canary=canary))
    return config


def microseconds(client: Client, picks: int) -> float:
    """Per pick, of keys that differ."""
    keys = [f"user-{number}" for number in range(1_000)]
    start = time.perf_counter()
    for number in range(picks):
        client.choose(keys[number % 1_000])
    return (time.perf_counter() - start) / picks * 1e6


if __name__ == "__main__":
    main()
