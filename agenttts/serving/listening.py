"""Where a server of ours listens."""

from __future__ import annotations

import ipaddress
import socket

from tools.errors import InvalidInput


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 picks a free one. Raises InvalidInput where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InvalidInput("--port", f"cannot listen at {host} port {port}: {error.strerror or error}") from None


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def own_names(host: str, port: int) -> tuple[str, ...]:
    """What requests for a server at this address may name as their host."""
    return tuple(sorted(f"{name}:{port}" for name in {host, "localhost", "127.0.0.1", "[::1]"}))
