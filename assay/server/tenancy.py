"""A background program's hold on its folder: one at a time, and none without the folder."""

import fcntl
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO

_LOOK_EVERY_S = 5.0


def claim(file: IO[str], *, program: str) -> None:
    """Be the only `program` of this folder, or exit: two would run every schedule twice.

    Also tells of one that cannot be seen from here (outside of this container).
    """
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"another {program}, perhaps out of sight from here, serves this folder")


def end_with_the_folder(*, patience_s: float) -> None:
    """End this process when its working directory is deleted: nobody could find or stop it.

    Args:
        patience_s: For an orderly end, before it is ended at once.
    """
    threading.Thread(target=_watch, args=(patience_s,), daemon=True).start()


def _watch(patience_s: float) -> None:
    while True:
        time.sleep(_LOOK_EVERY_S)
        try:
            Path.cwd()
        except FileNotFoundError:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(patience_s)
            os._exit(1)
