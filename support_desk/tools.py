"""The four tools of the support desk: a real search, a real table, a real outbox.

The articles and orders are loaded once into one in-memory SQLite database. The file
is loaded by its path, so it imports none of its siblings and finds its data beside it.
"""

import hashlib
import json
import os
import re
import sqlite3
import tempfile
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic_ai import ModelRetry, RunContext, Tool

from assay.records import RunScope

HERE = Path(__file__).parent
MAX_HITS = 8
MAX_TERMS = 32
SNIPPET_WORDS = 25
STOP_WORDS = frozenset(
    """a about after all also an and any are as at be been but by can cannot could did do does for
    from get had has have how i if in into is it its just like me my no not of on or our out please
    so than that the their them then there they this to up us was we what when where which who will
    with would you your""".split()  # noqa: SIM905 - a list of seventy literals reads worse
)
"""Words that stand in every article and would only blur the ranking."""
_ADDRESS = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+")
_SEARCH = """
    SELECT id, title, updated, status, snippet(kb, 3, '', '', ' ... ', ?) AS snippet
    FROM kb WHERE kb MATCH ? ORDER BY bm25(kb, 0, 4.0, 2.0, 1.0), id LIMIT ?
"""


class ShardUnavailable(ConnectionError):
    """The archive of the old shop system does not answer."""


class Desk(sqlite3.Connection):
    """A database that closes itself when it is let go: an evaluation loads these tools anew."""

    def __del__(self) -> None:
        """Close; from Python 3.13 on a connection that is left open is warned of."""
        self.close()


def load_desk(folder: Path) -> sqlite3.Connection:
    """An in-memory database of the articles in `folder`/kb and the orders beside them."""
    desk = sqlite3.connect(":memory:", check_same_thread=False, factory=Desk)
    desk.row_factory = sqlite3.Row
    desk.execute(
        "CREATE VIRTUAL TABLE kb USING fts5(id UNINDEXED, title, tags, body, updated UNINDEXED,"
        " status UNINDEXED, superseded_by UNINDEXED, tokenize = 'porter unicode61')"
    )
    columns = "(:id, :title, :tags, :body, :updated, :status, :superseded_by)"
    articles = [read_article(path) for path in sorted((folder / "kb").glob("*.md"))]
    desk.executemany(f"INSERT INTO kb VALUES {columns}", articles)  # noqa: S608 - our own names
    desk.executescript((folder / "orders.sql").read_text(encoding="utf-8"))
    return desk


def read_article(path: Path) -> dict[str, str]:
    """An article's header (`key: value` lines between two `---`) and its body."""
    _, header, body = path.read_text(encoding="utf-8").split("---\n", 2)
    fields = dict(line.split(": ", 1) for line in header.splitlines())
    return {"superseded_by": "", **fields, "id": path.stem, "body": body.strip()}


# One connection for all threads: a query takes less time than opening a second one.
_desk = load_desk(HERE)
_desk_lock = threading.Lock()


def _rows(sql: str, *values: object) -> list[sqlite3.Row]:
    with _desk_lock, closing(_desk.execute(sql, values)) as cursor:
        return cursor.fetchall()


def kb_search(query: str, limit: int = 4) -> list[dict[str, str]]:
    """Search the knowledge base. Articles with the status `outdated` no longer hold.

    Args:
        query: A few words from the customer's question.
        limit: How many hits are wanted, from 1 to 8.

    Returns:
        The best hits first, each with id, title, updated, status and a snippet.
    """
    # Quoting makes every term plain text: nothing in a query is read as FTS5 syntax.
    # A single letter is what an apostrophe leaves behind.
    words = re.findall(r"[^\W_]{2,}|\d", query.lower())
    terms = [word for word in words if word not in STOP_WORDS]
    wanted = " OR ".join(f'"{term}"' for term in terms[:MAX_TERMS])
    if not wanted:
        return []
    rows = _rows(_SEARCH, SNIPPET_WORDS, wanted, min(max(limit, 1), MAX_HITS))
    return [dict(row) for row in rows]


def kb_read(article_id: str) -> str:
    """Read one article of the knowledge base in full.

    Args:
        article_id: An id that kb.search returned.

    Returns:
        A heading with the title, the date and the status, then the text.
    """
    rows = _rows("SELECT * FROM kb WHERE id = ?", article_id.strip())
    if not rows:
        raise ModelRetry(f"There is no article {article_id[:80]!r}; use an id from kb.search.")
    article = rows[0]
    newer = f", superseded by {article['superseded_by']}" if article["superseded_by"] else ""
    heading = f"# {article['title']} (updated {article['updated']}, {article['status']}{newer})"
    return f"{heading}\n\n{article['body']}"


def orders_lookup(order_id: str) -> dict[str, Any]:
    """Look up one order by its number.

    Args:
        order_id: Such as NL-10083.

    Returns:
        Whether it was found and then its status, items, total, carrier and dates. The
        customer's address is there to compare with; it must not be told to anyone.
    """
    number = order_id.strip().upper()
    rows = _rows("SELECT * FROM orders WHERE order_id = ?", number)
    if not rows:
        return {"found": False, "order_id": number[:80]}
    order = dict(rows[0])
    if order.pop("shard") == "legacy":
        raise ShardUnavailable("the order archive from before March 2022 did not answer")
    return {"found": True, **{key: value for key, value in order.items() if value is not None}}


def send_email(
    ctx: RunContext[RunScope], to: str, subject: str, body: str, key: str
) -> dict[str, str]:
    """Send one e-mail to a customer.

    Args:
        ctx: The run that this call belongs to.
        to: The customer's address.
        subject: The subject line.
        body: The text of the message.
        key: Names this message: the same key is sent only once, so a repeat is harmless.

    Returns:
        The status, `sent` or `already sent`, and the key.
    """
    if _ADDRESS.fullmatch(to.strip()) is None:
        raise ModelRetry(f"{to[:80]!r} is not an e-mail address.")
    run_id = ctx.deps.key.run_id
    message = {"run_id": run_id, "key": key, "to": to.strip(), "subject": subject, "body": body}
    name = f"{run_id}-{hashlib.sha256(key.encode(errors='replace')).hexdigest()[:16]}.json"
    fresh = post(message, ctx.deps.folder / "outbox" / name)
    return {"status": "sent" if fresh else "already sent", "key": key}


def post(message: dict[str, str], path: Path) -> bool:
    """Put a message into the outbox, whole or not at all; False if it was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**message, "sent_at": datetime.now(UTC).isoformat()}, indent=2)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        # A hard link fails when the name is taken: of two senders exactly one wins.
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        Path(draft).unlink()
    return True


TOOLS: list[Tool[RunScope]] = [
    Tool(kb_search, name="kb.search"),
    Tool(kb_read, name="kb.read"),
    Tool(orders_lookup, name="orders.lookup"),
    Tool(send_email, name="send_email"),
]
