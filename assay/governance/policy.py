"""The policy that OnceOnly is given, derived from `assay.yaml`."""

from typing import Any

from assay.config import BuiltinSection, Config


def policy_of(config: Config) -> dict[str, Any]:
    """What the configuration says, and nothing of what it leaves open.

    OnceOnly counts calls of a tool by the day and `agent.max_calls_per_tool` by the run: one
    e-mail a run would become one e-mail a day, so that only `onceonly.max_calls_per_tool` is sent.
    """
    agent, limits = config.agent, config.rollout.monitors
    tools = agent.allowed_tools if isinstance(agent, BuiltinSection) else None
    policy = {
        "allowed_tools": None if tools is None else list(tools),
        "max_calls_per_tool": dict(config.onceonly.max_calls_per_tool) or None,
        "max_actions_per_hour": limits.max_actions_per_hour,
        "max_spend_usd_per_day": limits.max_spend_usd_per_day,
    }
    return {key: value for key, value in policy.items() if value is not None}
