"""An agent as teams have them: Anthropic's own client, a tool loop, streamed answers."""

import anthropic

SYSTEM = "You answer the customers of a lamp shop."
PAGES = {
    "parcel": "Your tracking number is in the mail that we sent with the parcel.",
    "return": "You may return a lamp within 45 days of delivery.",
    "warranty": "The warranty on a lamp is three years.",
}
TOOLS = [
    {
        "name": "read_page",
        "description": "Read a page of the help center.",
        "input_schema": {
            "type": "object",
            "properties": {"name": {"type": "string", "enum": list(PAGES)}},
            "required": ["name"],
        },
    }
]


def answer(question):
    """Answer one customer."""
    client = anthropic.Anthropic()  # ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY, as everywhere
    messages = [{"role": "user", "content": question}]
    while True:
        with client.messages.stream(
            model="claude-haiku-4-5", max_tokens=500, system=SYSTEM, messages=messages, tools=TOOLS
        ) as stream:
            message = stream.get_final_message()
        calls = [block for block in message.content if block.type == "tool_use"]
        if not calls:
            return "".join(block.text for block in message.content if block.type == "text")
        messages.append({"role": "assistant", "content": message.content})
        messages.append({"role": "user", "content": [_result(call) for call in calls]})


def _result(call):
    page = PAGES.get(call.input["name"], "no such page")
    return {"type": "tool_result", "tool_use_id": call.id, "content": page}
