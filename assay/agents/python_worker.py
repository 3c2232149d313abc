"""Serves one Python function over lines of JSON; run as a script, with the standard library only.

Its first line says which function; the answer says whether it can be called and whether it
is async. Then every line is a run. What the function prints goes to standard error, never
between the answers. The process ends, with all that it started, when standard input does:
whoever started it may be killed at any moment, and must leave nothing behind.
"""

import asyncio
import importlib
import importlib.machinery
import inspect
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TextIO

TOLD = ("system_prompt", "prompt_text", "prompt_id", "run_id", "seed", "budgets", "metadata",
        "config", "base_url")  # fmt: skip
"""What a function may take beside the input, by name."""
TELL_PROMPTS_APART = frozenset({"system_prompt", "prompt_text", "prompt_id"})
PROMPTFOO = ["prompt", "options", "context"]
OURS = frozenset({"tasks", "flows"})
"""Packages that are installed with Assay, and must not stand in the way of the user's own."""
MAX_ERROR_CHARS = 2_000

Request = dict[str, Any]
Answer = dict[str, Any]
Call = Callable[[Request], Any]


class Unusable(Exception):
    """The function cannot be called; the message says why."""


class Line:
    """Where answers go."""

    def __init__(self, file: TextIO, max_chars: int) -> None:
        self._file = file
        self._max_chars = max_chars
        self._pid = os.getpid()

    def send(self, id_: object, answer: Mapping[str, Any]) -> None:
        """Write one answer, or why it cannot be written."""
        if os.getpid() != self._pid:
            os._exit(0)  # the function has forked, and its child came back from it, too
        try:
            text = json.dumps({**answer, "id": id_}, default=float)
        except (TypeError, ValueError, RecursionError) as wrong:
            text = json.dumps({"id": id_, "error": f"the answer is no JSON: {wrong}"})
        if len(text) > self._max_chars:
            problem = f"the answer has {len(text):,} bytes, more than {self._max_chars:,}"
            text = json.dumps({"id": id_, "error": problem})
        self._file.write(text + "\n")
        self._file.flush()


def main() -> NoReturn:
    """Serve until standard input ends."""
    orders, answers = _own_pipes()
    order = json.loads(orders.readline())
    line = Line(answers, order["max_answer_chars"])
    try:
        function = _load(order["folder"], order["entrypoint"])
        call = _adapted(function, order["folder"], order["config"], injects=order["injects"])
    except Unusable as why:
        line.send(order["id"], {"problem": str(why)[:MAX_ERROR_CHARS]})
        sys.exit()
    is_async = inspect.iscoroutinefunction(function)
    line.send(order["id"], {"is_async": is_async})
    if is_async:
        asyncio.run(_serve_together(orders, line, call))
    _serve_in_turn(orders, line, call, order["base_url_variable"])


def _own_pipes() -> tuple[TextIO, TextIO]:
    """The two ends of the conversation, out of the reach of `print` and `input`."""
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return orders, answers


def _serve_in_turn(orders: TextIO, line: Line, call: Call, variable: str | None) -> NoReturn:
    """Alone in the process, a run finds its base URL where official clients look for it, too."""
    waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
    _listen(orders, waiting.put)
    while True:
        request = waiting.get()
        if variable is not None:
            os.environ[variable] = request["base_url"]
        line.send(request["id"], _outcome(call, request))


def _outcome(call: Call, request: Request) -> Answer:
    try:
        returned = call(request)
        # An async function in disguise: a partial, an object that is called, a decorator's.
        return _answer(asyncio.run(returned) if inspect.iscoroutine(returned) else returned)
    except BaseException as error:  # noqa: BLE001 - a function may raise anything
        return _error(error)


async def _serve_together(orders: TextIO, line: Line, call: Call) -> None:
    loop = asyncio.get_running_loop()
    running: dict[str, asyncio.Task[None]] = {}

    async def serve(request: Request) -> None:
        try:
            answer = _answer(await call(request))
        except BaseException as error:  # noqa: BLE001 - a function may raise anything
            answer = _error(error)
        running.pop(request["id"], None)
        line.send(request["id"], answer)

    def take(message: Request) -> None:
        if "cancel" not in message:
            running[message["id"]] = asyncio.create_task(serve(message))
        elif task := running.get(message["cancel"]):
            task.cancel()

    _listen(orders, lambda message: loop.call_soon_threadsafe(take, message))
    await asyncio.Event().wait()  # the listener ends the process


def _listen(orders: TextIO, take: Callable[[Request], object]) -> None:
    """Hand on every order, in a thread: even while a function runs, the end is noticed."""

    def listen() -> None:
        for order in orders:
            take(json.loads(order))
        os.killpg(0, signal.SIGKILL)  # it leads a group of its own

    threading.Thread(target=listen, daemon=True).start()


def _load(folder: str, entrypoint: str) -> Callable[..., Any]:
    sys.path.insert(0, folder)
    sys.meta_path.insert(0, _WithoutOurs(folder))
    module_name, _, name = entrypoint.partition(":")
    try:
        module = importlib.import_module(module_name)
    except BaseException as error:  # noqa: BLE001 - a module may raise anything
        raise Unusable(f"{module_name} cannot be imported: {_words(error)}") from None
    function = getattr(module, name, None)
    if not callable(function):
        raise Unusable(f"{module_name} has no function {name!r}")
    return function  # type: ignore[no-any-return]


class _WithoutOurs:
    """Finds `tasks` and `flows` of the user's only, wherever Assay's own are installed."""

    def __init__(self, folder: str) -> None:
        assay = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
        self._ours = os.path.dirname(assay)  # noqa: PTH120
        self._folder = folder

    def find_spec(
        self, name: str, _path: object = None, _target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in OURS:
            return None
        places = [each for each in sys.path if each == self._folder or not self._is_ours(each)]
        spec = importlib.machinery.PathFinder.find_spec(name, places)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return spec

    def _is_ours(self, place: str) -> bool:
        return os.path.realpath(place) == os.path.realpath(self._ours)


def _adapted(
    function: Callable[..., Any], folder: str, config: Mapping[str, Any], *, injects: bool
) -> Call:
    """The function, called with a run as it wants it."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise Unusable("its parameters cannot be seen") from None
    names = [each.name for each in parameters if each.kind is not each.VAR_KEYWORD]
    if names[:3] == PROMPTFOO or getattr(function, "__name__", "") == "call_api":
        return lambda request: function(*_as_promptfoo(request, folder, config))
    if not parameters or parameters[0].kind in (
        inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD,
    ):  # fmt: skip
        raise Unusable("it takes no input: its first parameter is what the customer says")
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters)
    wanted = [name for name in TOLD if takes_all or name in names[1:]]
    _check_parameters(parameters[1:], wanted, injects=injects)

    def call(request: Request) -> Any:
        told = {**request, "config": config}
        named = {name: told[name] for name in wanted if name in told}  # base_url is not always
        return function(request["input"], **named)

    return call


def _check_parameters(others: list[inspect.Parameter], wanted: list[str], *, injects: bool) -> None:
    for each in others:
        known = each.name in TOLD and each.kind is not each.POSITIONAL_ONLY
        optional = each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        if not known and not optional and each.default is each.empty:
            raise Unusable(f"it wants {each.name!r}; there are: {', '.join(TOLD)}")
    if TELL_PROMPTS_APART.isdisjoint(wanted) and not injects:
        raise Unusable("it takes no system_prompt, so that every prompt would be the same")


def _as_promptfoo(
    request: Request, folder: str, config: Mapping[str, Any]
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The arguments of promptfoo's `call_api(prompt, options, context)`."""
    said = request["input"]
    prompt = said if isinstance(said, str) else json.dumps(said)
    names = ("system_prompt", "prompt_text", "prompt_id", "base_url")
    told = {name: request[name] for name in names if name in request}
    options = {"id": "assay", "config": {"basePath": folder, **config, **told}}
    variables = {**request["metadata"], **told, "input": prompt}
    context = {
        "vars": variables,
        "prompt": {"raw": prompt, "label": request["prompt_id"]},
        "test": {"vars": variables, "metadata": request["metadata"]},
    }
    return prompt, options, context


def _answer(returned: Any) -> Answer:
    if isinstance(returned, str):
        return {"output": returned}
    if isinstance(returned, dict):
        return returned
    return {"error": f"it returned {type(returned).__name__}, not text or a dict"}


def _error(error: BaseException) -> Answer:
    return {"error": _words(error)[:MAX_ERROR_CHARS]}


def _words(error: BaseException) -> str:
    """The error, and the last line that led to it."""
    try:
        words = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - its text is the user's code, too
        words = type(error).__name__
    frames = [
        each
        for each in traceback.extract_tb(error.__traceback__)
        if each.filename not in (__file__, importlib.__file__) and "<frozen" not in each.filename
    ]
    where = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""  # noqa: PTH119
    return words[:MAX_ERROR_CHARS] + where


if __name__ == "__main__":
    main()
