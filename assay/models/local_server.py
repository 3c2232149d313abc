"""Serves one GGUF model on loopback; run as a script by `local.py`, with xllamacpp only.

Its orders come as one line of JSON on standard input, and its address goes out as one
line on standard output. It ends when standard input does, or when its parent is gone:
whoever started it may be killed at any moment, and must leave no server behind.
"""

import json
import os
import sys
import threading
import time
from typing import Any, NoReturn

PARENT_CHECK_S = 1.0


def main() -> NoReturn:
    """Serve until the parent goes away."""
    parent = os.getppid()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever llama.cpp prints must not mix with the answer
    orders = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    server = _serve(orders)
    print(json.dumps({"address": server.listening_address}), file=answers, flush=True)
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os._exit(0)


def _serve(orders: dict[str, Any]) -> Any:
    """A server whose answers follow from the request alone: same seed, same answer.

    More than one slot, flash attention and a prompt cache each let what else the server
    is doing, or the number of threads, into the last bits of the numbers, and after some
    hundred tokens into the words.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = orders["file"]
    params.model_alias = {orders["name"]}
    params.api_keys = [orders["api_key"]]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = orders["context_tokens"]
    params.n_parallel = 1
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.cache_prompt = False
    params.cache_ram_mib = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = orders["threads"]
    params.n_gpu_layers = 0
    params.verbosity = 0
    params.ui = False
    params.endpoint_slots = False
    return xllamacpp.Server(params)


def _end_with_input() -> None:
    while sys.stdin.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
