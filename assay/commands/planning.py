"""`assay plan`: what an evaluation will cost and can show, before any money is spent."""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from assay.commands.screen import Screen
from assay.commands.verdicts import MIN_WIDTH, STANDARD_OUTPUT, check_json
from assay.settling import Request, settle


def plan(arguments: argparse.Namespace) -> int:
    """Print a forecast, or write its JSON. Nothing is run, and no server is needed."""
    as_json: Path | None = arguments.json
    check_json(as_json)
    request = Request(
        candidates=(arguments.candidate,),
        baseline=arguments.baseline,
        repeats=arguments.repeats,
        config=arguments.config,
    )
    settled = settle(request, environ=os.environ, now=datetime.now(UTC))

    from assay.forecast.foreseeing import foresee
    from assay.forecast.page import forecast_page
    from assay.forecast.recorded import recorded_runs

    forecast = foresee(settled, recorded_runs(settled))
    text = forecast.model_dump_json(indent=2)
    screen = Screen(highlight=False)
    if as_json == STANDARD_OUTPUT:
        screen.out(text, highlight=False)
        return 0
    screen.width = max(screen.width, MIN_WIDTH)
    screen.print(forecast_page(forecast))
    if as_json is not None:
        as_json.write_text(f"{text}\n", encoding="utf-8")
    return 0
