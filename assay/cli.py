"""The command line: a command is carried out, and ends with its exit code.

0  promote, or the command did what was asked     3  no verdict, or not switched
1  reject, and nothing else                       4  could not be carried out, or a bug
2  wrong usage or wrong file                    130  interrupted
"""

import os
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from assay.arguments import parser
from assay.errors import AssayError, CannotEvaluate

EXIT_BUG = 4
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. An uncaught exception is a bug and exits 4."""
    arguments = parser().parse_args(argv)
    try:
        module, function = arguments.command.split(":")
        exit_code = int(getattr(import_module(f"assay.commands.{module}"), function)(arguments))
        if sys.stdout is not None:  # it is None when it was closed (`assay status >&-`)
            sys.stdout.flush()
        return exit_code
    except AssayError as error:
        print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone (`assay history | head`): nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        traceback.print_exc()
        print_error(CannotEvaluate(f"{error.strerror}: {error.filename or 'unknown file'}"))
        return CannotEvaluate.exit_code
    except (Exception, SystemExit):  # noqa: BLE001 - a bug keeps its traceback, but never looks like a reject
        traceback.print_exc()
        return EXIT_BUG


def run() -> NoReturn:
    """The `assay` command: `main`, and then an end that no abandoned tool can hold up.

    A synchronous tool that never returns is left behind when its run's time is over; Python
    would wait for its thread for ever.
    """
    exit_code = main()
    if any(thread.name.startswith("AnyIO worker") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    sys.exit(exit_code)


def print_error(error: AssayError) -> None:
    """`error: problem` and `mend: ...` on standard error."""
    print(f"error: {error}", file=sys.stderr)
