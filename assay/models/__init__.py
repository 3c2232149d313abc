"""What the built-in loop talks to: a pydantic-ai `Model` for each run.

`sources` opens the configured model; `openai_compatible` is the lean one, `local`
serves a small real model on this machine, `scripted` simulates one offline, and
pydantic-ai brings the other providers. `retries` and `prices` serve them all.
"""
