"""Clients of one account: where boto3 is opened, guarded, and told how long to wait.

One session serves one entry of the configuration. Its credentials are found where AWS clients look for them; with a role they are those
of the role, taken on again before they end. Nothing is asked before the first request, so a configuration can be checked anywhere.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, Credentials, DeferredRefreshableCredentials
from botocore.utils import parse_timestamp

from collector.account.config import AccountConfig
from collector.account.guard import Guard
from collector.account.permissions import Grant
from collector.account.refusals import translated
from collector.errors import PermanentError

#: Credentials of a role are taken for an hour: the longest that AWS gives to who has them from another role.
_ROLE_S = 3_600
_CONNECT_S = 5.0
_PLAIN_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)


def parsed_time(told: Any) -> datetime:
    """A time of an answer. Nearly all are of one plain form, which botocore takes fifty times as long to read: lists are full of them."""
    if isinstance(told, str) and _PLAIN_TIME.fullmatch(told):
        return datetime.fromisoformat(told)
    found: datetime = parse_timestamp(told)
    return found


class Account:
    """Opens clients that can do what ``grants`` say and nothing else. For any number of threads."""

    def __init__(self, config: AccountConfig, grants: Sequence[Grant], *, connections: int = 10) -> None:
        """``connections`` is how many requests may be under way at a time, by client."""
        self.grants = tuple(grants)
        self._config = config
        self._connections = connections
        self._guard = Guard()
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None

    def client(self, service: str, region: str | None = None) -> Any:
        """A client of a service. Raises SourceError where there are no credentials or no region."""
        with translated((), f"{service} in {region}" if region else service), self._lock:
            # Sessions are not made for threads; clients are.
            session = self._opened()
            if region is None and self._config.endpoint is not None:
                # Whoever is not AWS has one region, and is told some name.
                region = session.region_name or "us-east-1"
            try:
                found = session.client(  # type: ignore[call-overload]
                    service, region_name=region, endpoint_url=self._config.endpoint, config=self._settings(service)
                )
            except ValueError as error:
                raise PermanentError(f"{service}: {error}") from error
            operations = [operation for grant in self.grants for operation in grant.operations]
            self._guard.allow(found.meta.service_model, operations)
            return found

    def _opened(self) -> boto3.Session:
        if self._session is None:
            core = self._core()
            if self._config.role_arn is not None:
                core._credentials = self._role(core, self._config.role_arn)  # type: ignore[attr-defined]
            self._session = boto3.Session(botocore_session=core)
        if self._session.get_credentials() is None:
            raise PermanentError(
                "no AWS credentials are found: not in the environment, nor in files, nor from a role of the machine"
            )
        return self._session

    def _core(self) -> botocore.session.Session:
        core = botocore.session.Session(profile=self._config.profile)
        self._guard.watch(core.get_component("event_emitter"))
        core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parsed_time)
        return core

    def _role(self, core: botocore.session.Session, role_arn: str) -> Credentials:
        own = core.get_credentials()
        if own is None:
            raise PermanentError(f"no AWS credentials are found with which to take on the role {role_arn}")
        arguments: dict[str, Any] = {"RoleSessionName": self._config.session_name, "DurationSeconds": _ROLE_S}
        if self._config.external_id is not None:
            arguments["ExternalId"] = self._config.external_id
        fetcher = AssumeRoleCredentialFetcher(self._asker(core), own, role_arn, extra_args=arguments, cache={})
        return DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)

    def _asker(self, core: botocore.session.Session) -> Any:
        def client(service: str, **given: Any) -> Any:
            region = core.get_config_variable("region") or "us-east-1"
            endpoint = self._config.endpoint
            return core.create_client(
                service, region_name=region, endpoint_url=endpoint, config=self._settings(service), **given
            )

        return client

    def _settings(self, service: str) -> Config:
        return Config(
            connect_timeout=min(_CONNECT_S, self._config.timeout_s),
            read_timeout=self._config.timeout_s,
            retries={"total_max_attempts": self._config.attempts_max, "mode": "standard"},
            max_pool_connections=self._connections,
            user_agent_extra="meterbook",
            # A service that is not AWS's own rarely has a host name for each bucket, and knows no newer checksums.
            s3={"addressing_style": "path"} if self._config.endpoint else {"us_east_1_regional_endpoint": "regional"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
