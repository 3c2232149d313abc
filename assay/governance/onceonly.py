"""OnceOnly as the governor: its SDK's calls, each of which may fail without harm."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from assay.config import Config
from assay.governance.bounded import within
from assay.governance.governor import CanaryFacts, Said
from assay.governance.policy import policy_of
from assay.wording import one_line

if TYPE_CHECKING:
    from onceonly import OnceOnly

MAX_CHARS = 200
"""Of what OnceOnly says; a stranger wrote it."""
NOT_THERE = 404
LIMITS = (
    "allowed_tools", "blocked_tools", "max_calls_per_tool", "max_actions_per_hour",
    "max_spend_usd_per_day", "pricing_rules",
)  # fmt: skip
"""What a policy says, as far as the SDK knows."""
Step = tuple[str, Callable[["OnceOnly"], Awaitable[str | None]]]
"""What it is in words, and the doing of it, which may have something to say."""


class OnceOnlyGovernor:
    """Tells OnceOnly of a canary.

    Args:
        config: Whose section `onceonly` is enabled.
        environ: Holds the key. The SDK documents variables of its own and reads none.
    """

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        self._config = config
        self._section = config.onceonly
        self._agent = str(config.onceonly.agent_id)
        self._key = environ.get(config.onceonly.api_key_env, "").strip()

    def before_canary(self, canary: CanaryFacts) -> Said:
        """Set the policy, and post that a canary begins."""
        return self._done(
            ("policy", self._set_policy), ("event", self._post("canary_starting", canary))
        )

    def at_look(self, canary: CanaryFacts) -> Said:
        """Read the agent's metrics, to be shown beside ours."""
        return self._done(("metrics", self._metrics(canary)))

    def at_alarm(self, canary: CanaryFacts) -> Said:
        """Disable the agent if that is asked for; post what happened."""
        disable: list[Step] = [("kill switch", self._disable(canary))]
        return self._done(
            *(disable if self._section.disable_on_alarm else []),
            ("event", self._post("canary_alarm", canary)),
            ("metrics", self._metrics(canary)),
        )

    async def _set_policy(self, client: "OnceOnly") -> str | None:
        """What is there already stays, but for what the configuration says."""
        wanted = policy_of(self._config)
        there = await self._policy_there(client)
        if all(there.get(key) == value for key, value in wanted.items()):
            return None
        done = await client.gov.upsert_policy_async({**there, **wanted}, agent_id=self._agent)
        _require(done.raw, "agent_id", "policy", *wanted)
        return f"policy of {self._agent}: {', '.join(wanted)}"

    async def _policy_there(self, client: "OnceOnly") -> dict[str, Any]:
        from onceonly import ApiError

        try:
            raw = _require((await client.gov.get_policy_async(self._agent)).raw, "policy", *LIMITS)
        except ApiError as refused:
            if refused.status_code != NOT_THERE:
                raise
            return {}
        if isinstance(raw.get("policy"), dict):
            return dict(raw["policy"])
        return {key: raw[key] for key in LIMITS if raw.get(key) is not None}

    def _post(self, kind: str, canary: CanaryFacts) -> Callable[["OnceOnly"], Awaitable[None]]:
        async def post(client: "OnceOnly") -> None:
            await client.post_event_async(
                run_id=canary.canary_id,
                type=kind,
                agent_id=self._agent,
                message=one_line(canary.reason, max_chars=MAX_CHARS),
                data={
                    "prompt_id": canary.prompt_id,
                    "baseline_prompt_id": canary.baseline_prompt_id,
                    "canary_runs": canary.canary_runs,
                },
            )

        return post

    def _metrics(self, canary: CanaryFacts) -> Callable[["OnceOnly"], Awaitable[str]]:
        """Theirs are of the agent, whichever prompt it ran; ours are of the canary."""

        async def read(client: "OnceOnly") -> str:
            theirs = await client.gov.agent_metrics_async(self._agent, period="day")
            _require(theirs.raw, "total_actions", "total_spend_usd")
            spent = "" if canary.spend_usd is None else f", ${canary.spend_usd:,.2f}"
            return (
                f"{self._agent}, last day: {theirs.total_actions:,} actions, "
                f"{theirs.blocked_actions:,} blocked, ${theirs.total_spend_usd:,.2f}; "
                f"our log: {canary.canary_runs:,} canary runs{spent}, "
                f"{canary.baseline_runs:,} of the active"
            )

        return read

    def _disable(self, canary: CanaryFacts) -> Callable[["OnceOnly"], Awaitable[str]]:
        async def disable(client: "OnceOnly") -> str:
            reason = one_line(f"{canary.prompt_id}: {canary.reason}", max_chars=MAX_CHARS)
            status = await client.gov.disable_agent_async(self._agent, reason=reason)
            told: dict[str, Any] = status.raw or {}
            if told.get("is_enabled", told.get("enabled")) is not False:
                raise ValueError("the answer does not say that the agent is disabled")
            return f"{self._agent} is disabled: enable it again once production is well"

        return disable

    def _done(self, *steps: Step) -> Said:
        """What came of each step; one that fails keeps none of the others."""
        try:
            from onceonly import OnceOnly
        except ImportError:
            return self._warned("the SDK is not installed: pip install 'assay[onceonly]'")
        if not self._key:
            return self._warned(f"{self._section.api_key_env} is not set")
        lines: list[str] = []
        warnings: list[str] = []
        under_way = ""

        async def work() -> None:
            nonlocal under_way
            address = {} if self._section.base_url is None else {"base_url": self._section.base_url}
            # Redirected nowhere and tried once: the SDK waits for as long as a 429 says.
            async with OnceOnly(self._key, timeout=self._section.timeout_s, **address) as client:
                for under_way, step in steps:
                    try:
                        if said := await step(client):
                            lines.append(f"OnceOnly: {self._clean(said)}")
                    except Exception as failed:  # noqa: BLE001 - the SDK raises whatever it meets
                        warnings.append(f"OnceOnly, {under_way}: {self._words(failed)}")

        try:
            if not within(self._section.timeout_s, work):
                seconds = self._section.timeout_s
                warnings.append(f"OnceOnly, {under_way}: not done within {seconds:g} s")
        except Exception as failed:  # noqa: BLE001 - such as an address that is none
            warnings.append(f"OnceOnly: {self._words(failed)}")
        return Said(tuple(lines), tuple(warnings))

    def _warned(self, words: str) -> Said:
        return Said(warnings=(f"OnceOnly: {words}",))

    def _words(self, failed: Exception) -> str:
        status = getattr(failed, "status_code", None)
        plan = "; this call needs a paid plan" if status == 403 else ""
        return self._clean(f"{type(failed).__name__}: {failed}") + plan

    def _clean(self, text: str) -> str:
        """Bounded, and without the key, which a server may repeat."""
        return one_line(text.replace(self._key, "..."), max_chars=MAX_CHARS)


def _require(raw: object, *keys: str) -> dict[str, Any]:
    """An answer that holds one of these: the SDK takes one that is no JSON for an empty one.

    Raises:
        ValueError: It holds none of them.
    """
    if not isinstance(raw, dict) or not set(keys).intersection(raw):
        raise ValueError("the answer was not understood")
    return raw
