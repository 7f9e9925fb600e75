"""Who we are to AWS: the one question that every identity may ask, and that changes nothing."""

from __future__ import annotations

from collector.account.config import AccountConfig
from collector.account.refusals import translated
from collector.account.session import Account

_REGION = "us-east-1"


def identity(config: AccountConfig, timeout_s: float) -> str:
    """The ARN that requests are made as, with the role taken on where there is one. Raises SourceError."""
    account = Account(config.model_copy(update={"timeout_s": timeout_s, "attempts_max": 1}), ())
    client = account.client("sts", _REGION)
    try:
        with translated((), "sts"):
            return str(client.get_caller_identity()["Arn"])
    finally:
        client.close()
