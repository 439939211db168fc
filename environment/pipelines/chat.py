"""What a person's code gives as a prompt, as messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storage.sample import Message
from tools.text import shortened

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
}

Chat = str | Sequence[Message | tuple[str, str] | Mapping[str, str] | Any]
"""A user's text alone, or messages: Message, (role, text), {"role", "content"}, or LangChain's own."""


def messages_of(chat: Chat) -> tuple[Message, ...]:
    """The chat as messages. Raises ValueError saying what cannot be sent."""
    if isinstance(chat, str):
        return (Message("user", chat),)
    if not isinstance(chat, Sequence):
        chat = chat.to_messages() if hasattr(chat, "to_messages") else [chat]
    if not chat:
        raise ValueError("a prompt needs at least one message")
    return tuple(_message(message) for message in chat)


def _message(message: Any) -> Message:
    if isinstance(message, Message):
        return message
    if isinstance(message, str):
        return Message("user", message)
    if isinstance(message, tuple) and len(message) == 2:
        role, content = message
    elif isinstance(message, Mapping):
        role, content = message.get("role"), message.get("content")
    else:
        role, content = getattr(message, "type", None), getattr(message, "content", None)
    if role not in ROLES:
        raise ValueError(f"a message's role must be one of {', '.join(ROLES)}, got {shortened(role)}")
    return Message(ROLES[role], _text(content))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else [content]
    texts = [block.get("text") if isinstance(block, Mapping) else block for block in blocks]
    if any(not isinstance(text, str) for text in texts):
        raise ValueError("a message's content must be text; images and tool calls cannot be sampled")
    return "".join(map(str, texts))
