"""Asking a stand-in without a client that tidies, retries or hides anything."""

from __future__ import annotations

import http.client
import re

from .http import StandIn


def ask(
    server: StandIn, target: str, headers: dict[str, str] | None = None, method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    """One request exactly as written; answers status, headers (names in lower case) and body."""
    connection = http.client.HTTPConnection(server.host, timeout=10)
    try:
        connection.request(method, target, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def error_code(body: bytes) -> str:
    match = re.search(rb"<Code>(\w+)</Code>", body)
    return match[1].decode() if match else ""
