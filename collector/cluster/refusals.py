"""What the API server means by a status other than 200, in the errors of ``collector.errors``.

The server says why in a Status object ("API Conventions", section "Response Status Kind"). A refusal by RBAC is told
as the permission that is missing, since granting it is what somebody must do.
"""

from __future__ import annotations

import json
from typing import Any

from collector.cluster.guard import Attributes, described
from collector.errors import PermanentError, SourceError, ThrottledError, TransientError

#: Longest time a server may ask us to wait, in seconds: a longer one would look like an outage of ours.
RETRY_AFTER_S_MAX = 120.0

_SENTENCE_LENGTH_MAX = 300


class Expired(TransientError):
    """410: the resource version or page that was asked for is of the past. The collection must be listed anew."""


class Forbidden(PermanentError):
    """403: the role lacks what is asked."""


class Garbled(TransientError):
    """An answer or an event makes no sense. The collection must be listed anew."""


class Throttled(ThrottledError):
    """429, with the seconds that the server asks to wait (0 if it does not say, at most ``RETRY_AFTER_S_MAX``)."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


def refusal(place: str, asked: Attributes, status: int, retry_after: str, body: bytes) -> SourceError:
    """The error for an answer: ``retry_after`` is that header, ``body`` the answer's beginning."""
    said = _sentence(body)
    tail = f": {said}" if said else ""
    match status:
        case 401:
            return PermanentError(f"{place} does not know our credentials (401){tail}")
        case 403:
            missing = f'{asked.verb} on {described(asked)} (apiGroups: ["{asked.group}"])'
            return Forbidden(f"{place} is forbidden: our role lacks {missing}{tail}")
        case 410:
            return Expired(f"{place} is asked for a past that the server has forgotten (410){tail}")
        case 429:
            return Throttled(f"{place} asks for fewer requests (429){tail}", _seconds(retry_after))
    if status >= 500:
        return TransientError(f"{place} answered status {status}{tail}")
    hint = " (redirects are not followed)" if 300 <= status < 400 else ""
    if status == 404 and asked.verb in ("list", "watch"):
        # A collection is there even if it is empty: the server does not know the resource at all.
        tail += f"; it has no {described(asked)}: is the CustomResourceDefinition installed?"
    return PermanentError(f"{place} answered status {status}, not 200{hint}{tail}")


def refused_status(place: str, asked: Attributes, status: Any) -> SourceError:
    """The error for a Status object that came as an event of a watch."""
    code = status.get("code") if isinstance(status, dict) else None
    if not isinstance(code, int):
        return Garbled(f"{place} sent an ERROR event without a code")
    details = status.get("details")
    wait = details.get("retryAfterSeconds", "") if isinstance(details, dict) else ""
    return refusal(place, asked, code, str(wait), json.dumps(status).encode())


def _sentence(body: bytes) -> str:
    """What a Status object says in words; nothing of any other body, which may say anything."""
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    message = document.get("message") if isinstance(document, dict) and document.get("kind") == "Status" else ""
    text = " ".join(message.split()) if isinstance(message, str) else ""
    return text if len(text) <= _SENTENCE_LENGTH_MAX else text[:_SENTENCE_LENGTH_MAX] + "..."


def _seconds(retry_after: str) -> float:
    """Retry-After as the API server sends it: whole seconds."""
    return min(float(retry_after), RETRY_AFTER_S_MAX) if retry_after.isascii() and retry_after.isdigit() else 0.0
