"""A shop's tools behind MCP: on standard input and output, or over HTTP with `--http PORT`."""

import re
import sys

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

PAGES = {
    "returns": "Goods may be sent back within 45 days of delivery. The refund takes five days.",
    "shipping": "A parcel takes two to four working days. Its tracking number comes by mail.",
    "warranty": "There is a warranty of three years on every lamp and kettle.",
}
ORDERS = {"NL-10083": "shipped", "NL-10091": "being packed"}

shop = MCPServer("shop")


@shop.tool()
def search(query: str) -> list[dict[str, str]]:
    """Search the pages of the shop. The best hits come first."""
    words = set(re.findall(r"\w+", query.lower()))
    found = {
        name: len(words & set(re.findall(r"\w+", text.lower()))) for name, text in PAGES.items()
    }
    best = sorted((name for name in found if found[name]), key=lambda name: -found[name])
    return [{"id": name, "title": name.title(), "snippet": PAGES[name][:60]} for name in best]


@shop.tool()
def read(article_id: str) -> str:
    """Read one page in full, by an id that the search returned."""
    if article_id not in PAGES:
        raise ToolError(f"there is no page {article_id[:80]!r}")
    return f"# {article_id.title()}\n\n{PAGES[article_id]}"


@shop.tool()
def order_lookup(order_id: str) -> dict[str, str]:
    """Look up one order by its number, such as NL-10083."""
    return {"order_id": order_id[:80], "status": ORDERS.get(order_id, "unknown")}


@shop.tool()
def cancel_order(order_id: str) -> str:
    """Cancel an order. It cannot be taken back."""
    ORDERS[order_id] = "cancelled"
    return "cancelled"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--http", port]:
            shop.run("streamable-http", host="127.0.0.1", port=int(port))
        case _:
            shop.run("stdio")
