"""An agent to be evaluated: a service. Run it with: python server.py 8000.

It speaks a shape of its own, as yours does; assay.yaml says how to ask it and where its answer
is. It has no model: it stands in for yours, and follows its prompt as a model would.
"""

import sys

from aiohttp import web

PAGES = {
    "parcel": "Your tracking number is in the mail that we sent with the parcel.",
    "return": "You may return a lamp within 45 days of delivery.",
    "warranty": "The warranty on a lamp is three years.",
}


async def chat(request):
    """Answer one customer."""
    asked = await request.json()
    said, instructions = asked["said"], asked["settings"]["instructions"]
    question = said if isinstance(said, str) else said[-1]["content"]
    fitting = [name for name in PAGES if name in question.lower()]
    wanted = list(PAGES) if "exhaustive" in instructions else fitting
    reply = " ".join(PAGES[name] for name in wanted)
    read = len((instructions + question).split()) * (len(wanted) + 1)
    return web.json_response(
        {
            "choices": [{"text": reply}],
            "usage": {"total_tokens": read + len(reply.split())},
            "trace": [{"tool": "read_page", "arguments": {"name": name}} for name in wanted],
        }
    )


def service():
    """The service, as its tests start it, too."""
    app = web.Application()
    app.router.add_post("/chat", chat)
    return app


if __name__ == "__main__":
    web.run_app(service(), host="127.0.0.1", port=int(sys.argv[1]))
