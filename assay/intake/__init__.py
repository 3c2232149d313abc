"""Golden tasks out of what people have: promptfoo's tests, tables, chat logs.

Files are read and never run. What cannot be carried over is said with its line: a check that
silently disappears is a promise that nobody keeps.

`reading` opens a file; `promptfoo` reads configurations, `tables` CSV and JSON lines. Both make
`cases`, which `drafting` turns into drafts of tasks: `prompting` and `templates` make the input,
`conversations` reads chat messages, `assertions` makes the checks, `files` follows `file://`.
`harvest` holds what was found and lost; `writing` proves the tasks and keeps them.
"""
