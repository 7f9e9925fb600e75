"""One page of a question, as the services answer it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.account.answers import code_of, is_answer
from collector.account.refusals import translated
from collector.account.session import Account
from collector.aws.prices.config import PricesConfig
from collector.aws.prices.permissions import LIST, SPOT, grants, grants_by_service
from collector.aws.prices.questions import Question
from collector.errors import TransientError

#: Codes of the services' models, and of "Error codes for the Amazon EC2 API".
_TOKEN_CODES = frozenset(
    {"ExpiredNextTokenException", "InvalidNextTokenException", "InvalidNextToken", "InvalidPaginationToken"}
)
_METHODS = {LIST.service: "get_products", SPOT.service: "describe_spot_price_history"}


class TokenRefused(TransientError):
    """The page that was to come next is not to be had any more: the question begins anew."""


class Asker:
    """Asks the price list, and EC2 in some regions."""

    def __init__(self, config: PricesConfig, account: Account | None = None) -> None:
        self._config = config
        self._account = account or Account(config.account, grants(config))
        self._grants = grants_by_service(config)
        self._clients: dict[tuple[str, str], Any] = {}

    def close(self) -> None:
        """Close connections. Safe to call twice."""
        while self._clients:
            self._clients.popitem()[1].close()

    def page(self, question: Question, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """An answer; ``given`` is what is asked beside the question: of which time, and from which page on. Raises SourceError."""
        place = f"{self._config.source}: {question.subject}"
        with translated((self._grants[question.service],), place):
            client = self._client(question)
            try:
                found: Mapping[str, Any] = getattr(client, _METHODS[question.service])(**question.asked, **given)
            except Exception as error:
                if is_answer(error) and code_of(error) in _TOKEN_CODES:
                    raise TokenRefused(f"{place}: the next page is not to be had ({code_of(error)})") from error
                raise
            return found

    def _client(self, question: Question) -> Any:
        where = (question.service, question.region)
        if where not in self._clients:
            self._clients[where] = self._account.client(*where)
        return self._clients[where]
