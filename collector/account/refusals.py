"""What botocore raises, as an error that says what to do.

A denied action is told with the statement that would grant it: whoever reads the coverage record can paste it into the policy. The
codes are those of the services' models and of "Common Errors" in their API references.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NoConnection

from collector.account.answers import code_of, status_of
from collector.account.permissions import Grant, statement_for
from collector.errors import PermanentError, SourceError, ThrottledError, TransientError

_BROKEN_OFF = (
    NoConnection,
    HTTPClientError,
    ConnectTimeoutError,
    ReadTimeoutError,
    ResponseStreamingError,
    IncompleteReadError,
)
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "AuthorizationError",
        "UnauthorizedException",
        "403",
        "Forbidden",
    }
)
_THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "LimitExceeded",
        "ProvisionedThroughputExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
        "KMSThrottlingException",
        "TransactionInProgressException",
        "429",
    }
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_UNKNOWN_KEY = frozenset(
    {
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "AuthFailure",
        "InvalidSignatureException",
    }
)
_REGION_OFF = frozenset({"OptInRequired", "InvalidRegion", "RegionDisabledException"})
_CLOCK = frozenset({"RequestTimeTooSkewed"})


@contextmanager
def translated(grants: Sequence[Grant], place: str) -> Iterator[None]:
    """Have what botocore raises become a SourceError that names ``place``, such as ``s3://usage/2026/``.

    ``grants`` are those of one service: an answer names the operation alone, and services have some of the same name.
    """
    try:
        yield
    except SourceError:
        raise
    except ClientError as error:
        raise _answered(error, grants, place) from error
    except (NoCredentialsError, PartialCredentialsError, NoRegionError) as error:
        raise PermanentError(f"{place}: {_sentence(error)}") from error
    except (CredentialRetrievalError, TokenRetrievalError) as error:
        raise TransientError(f"{place}: credentials cannot be had: {_sentence(error)}") from error
    except _BROKEN_OFF as error:
        raise TransientError(f"{place}: {_sentence(error)}") from error
    except BotoCoreError as error:
        raise PermanentError(f"{place}: {_sentence(error)}") from error


def _answered(error: ClientError, grants: Sequence[Grant], place: str) -> SourceError:
    code, operation = code_of(error), error.operation_name
    told = str(error.response.get("Error", {}).get("Message", "")).strip() or "no more is said"
    if code in _DENIED:
        return PermanentError(_denied(operation, grants, place, told))
    if code in _THROTTLED or status_of(error) == 429:
        return ThrottledError(f"{place}: {operation} is throttled ({code})")
    if code in _EXPIRED:
        return TransientError(f"{place}: the credentials have expired ({code}: {told})")
    if code in _REGION_OFF:
        return PermanentError(f"{place}: the region is not enabled for the account ({code})")
    if code in _UNKNOWN_KEY:
        return PermanentError(
            f"{place}: the credentials are not accepted, or the region is not enabled ({code}: {told})"
        )
    if code in _CLOCK:
        return TransientError(f"{place}: the clock of this machine is wrong ({told})")
    kind = TransientError if status_of(error) >= 500 else PermanentError
    return kind(f"{place}: {operation} answers {code}: {told}")


def _denied(operation: str, grants: Sequence[Grant], place: str, told: str) -> str:
    if operation == "AssumeRole":
        return f"{place}: the role cannot be taken on: its trust policy, or its external id, is another ({told})"
    statement = statement_for(grants, operation)
    needed = f"; the policy needs {json.dumps(statement)}" if statement is not None else ""
    return f"{place}: {operation} is denied{needed}"


def _sentence(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
