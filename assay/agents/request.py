"""What an agent that is not ours is told of a run: one document, whichever way it gets there."""

from typing import Any

from assay.agents.protocol import Order
from assay.config import Budgets
from assay.models.source import run_seed
from assay.prompts import system_prompt


def request_of(order: Order, budgets: Budgets) -> dict[str, Any]:
    """The run as JSON: names are part of the interface, see docs/agents.md."""
    key = order.scope.key
    line = {} if order.line is None else {"base_url": order.line.base_url}
    return line | {
        "input": order.input if isinstance(order.input, str) else list(order.input),
        "system_prompt": system_prompt(order.prompt),
        "prompt_text": order.prompt.text,
        "prompt_id": order.prompt.prompt_id,
        "run_id": key.run_id,
        "seed": run_seed(key),
        "budgets": budgets.model_dump(exclude={"evaluation"}),
        "metadata": dict(order.metadata),
    }
