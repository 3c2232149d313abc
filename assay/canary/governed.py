"""The agent's governor, told of what a look found: after that was done, and never in its way."""

from collections.abc import Mapping

from assay.canary.looking import Look
from assay.canary.state import Outcome
from assay.config import Config
from assay.governance.governor import CanaryFacts, Said, governor_of


def tell_governor(config: Config, found: Look, environ: Mapping[str, str]) -> Said:
    """What the governor says to a look; nothing where there is no canary, or no governor."""
    state = found.state
    if state is None:
        return Said()
    facts = CanaryFacts(
        canary_id=state.canary_id,
        version=state.version,
        prompt_id=state.prompt_id,
        baseline_prompt_id=state.baseline_prompt_id,
        reason=state.reason,
        canary_runs=state.canary_runs,
        baseline_runs=state.baseline_runs,
        spend_usd=state.spend_usd,
    )
    governor = governor_of(config, environ)
    is_alarm = state.outcome is Outcome.ALARM
    return governor.at_alarm(facts) if is_alarm else governor.at_look(facts)
