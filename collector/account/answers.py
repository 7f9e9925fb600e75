"""What an answer of AWS says that is no success: its code and its HTTP status, for who has to tell some from others."""

from __future__ import annotations

from typing import Any, TypeGuard

from botocore.exceptions import ClientError


def is_answer(error: BaseException) -> TypeGuard[ClientError]:
    """Whether a service has answered, and has refused."""
    return isinstance(error, ClientError)


def code_of(error: ClientError) -> str:
    """The code of an answer: ``NoSuchKey``, or its HTTP status where there is no more."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer; 0 if it is not known."""
    metadata: Any = error.response.get("ResponseMetadata", {})
    return int(metadata.get("HTTPStatusCode", 0))
