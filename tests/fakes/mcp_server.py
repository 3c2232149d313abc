"""A server that speaks MCP over its standard streams and behaves as badly as it is told.

Plain standard library: it starts in a moment. `--refuse FILE` does not start while FILE is
there, `--more FILE` offers another tool then, `--nonsense` offers what is no tool, `--deaf`
reads nothing, `--stubborn` does not end with its input.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

MEBI = 1 << 20


def tools() -> list[dict]:
    text = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    names = ["echo", "die", "hang", "flood", "big", "variables", "fork", "fail", "wink"]
    if is_there("--more"):
        names.append("more")
    return [{"name": name, "description": name.title(), "inputSchema": text} for name in names]


def call(name: str, text: str) -> dict:
    match name:
        case "die":
            os._exit(3)
        case "hang":
            if text:
                Path(text).touch()
            time.sleep(600)
        case "flood":
            sys.stdout.write("x" * 9 * MEBI)
        case "big":
            return told("x" * 2 * MEBI)
        case "variables":
            return told(",".join(sorted(os.environ)))
        case "fork":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            return told(str(child.pid))
        case "fail":
            return told(f"no {text}") | {"isError": True}
        case "wink":
            return told("") | {"content": [{"type": "image", "data": "", "mimeType": "image/png"}]}
    return told(text)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def told(text: str) -> dict:
    return {"content": [{"type": "text", "text": text}]}


def answer(method: str, params: dict) -> dict | None:
    match method:
        case "initialize":
            about = {"name": "fake", "version": "1"}
            version = params["protocolVersion"]
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
        case "tools/list":
            return {"tools": 7 if "--nonsense" in sys.argv else tools()}
        case "tools/call":
            return call(params["name"], params["arguments"].get("text", ""))
    return None


def is_there(flag: str) -> bool:
    return flag in sys.argv and Path(sys.argv[sys.argv.index(flag) + 1]).exists()


def main() -> None:
    if is_there("--refuse"):
        sys.exit("the licence has expired\x1b[31m")
    say("fake server 1.0 starting")  # as many do, though they must not
    if "--deaf" in sys.argv:
        time.sleep(600)
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request:
            continue
        result = answer(request["method"], request.get("params", {}))
        outcome = {"result": result} if result is not None else {"error": UNKNOWN}
        say(json.dumps({"jsonrpc": "2.0", "id": request["id"], **outcome}))
    if "--stubborn" in sys.argv:
        time.sleep(600)


UNKNOWN = {"code": -32601, "message": "Method not found"}

if __name__ == "__main__":
    main()
