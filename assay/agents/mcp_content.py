"""What an MCP tool's answer is to a model."""

from typing import Any

from mcp_types import CallToolResult, EmbeddedResource, ResourceLink, TextContent
from pydantic_ai.exceptions import ToolFailed


def content_of(result: CallToolResult) -> Any:
    """What a call gave, for the model: its data where there is some, else its texts.

    Raises:
        ToolFailed: The tool says that it failed.
    """
    texts = "\n".join(map(_text, result.content))
    if result.is_error:
        raise ToolFailed(texts or "The tool failed.")
    content = texts if result.structured_content is None else result.structured_content
    if isinstance(content, dict) and content.keys() == {"result"}:
        content = content["result"]  # how plain values are wrapped
    return content


def _text(block: object) -> str:
    match block:
        case TextContent(text=text):
            return text
        case ResourceLink(uri=uri):
            return uri
        case EmbeddedResource(resource=resource):
            return str(getattr(resource, "text", "[binary data]"))
    return f"[{getattr(block, 'type', 'unknown')}]"
