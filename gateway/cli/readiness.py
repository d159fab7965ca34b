"""Is the server up? Asked where its console listens."""

from __future__ import annotations

import http.client
import json

ANSWER_SECONDS = 2.0
NOT_RUNNING = "the server does not run"
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def ask_server(address: str) -> list[str]:
    """Return what is not up yet, by the server's own word; empty when it is ready."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    connection = http.client.HTTPConnection(
        LOOPBACK.get(host, host), int(port), timeout=ANSWER_SECONDS
    )
    try:
        connection.request("GET", "/readyz")
        answer = json.loads(connection.getresponse().read())
        return [str(one) for one in answer["waiting_for"]]
    except (OSError, http.client.HTTPException):
        return [NOT_RUNNING]
    except (ValueError, KeyError, TypeError):
        return [f"{address} is answered by another program"]
    finally:
        connection.close()
