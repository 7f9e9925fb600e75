"""The Access service: each call goes to one method of the issuer, in a thread; the policy has decided before."""

from __future__ import annotations

from typing import Any

from ledger.access.issuing import Issuer
from ledger.access.standing import Credential
from ledger.server.authentication import current_session
from ledger.server.query_service import answered
from meterbook.ledger.v1 import access_pb2, access_pb2_grpc
from meterbook.wire import instants
from meterbook.wire.instants import now_us


class AccessService(access_pb2_grpc.AccessServicer):
    """Says who may do what; see ``access.proto``."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    async def Enrol(self, request: access_pb2.EnrolRequest, context: Any) -> access_pb2.EnrolResponse:
        """An agent's own key for an invitation."""
        by = current_session().caller
        key = await answered(context, self._issuer.enrol, by, request.key_id, request.secret_hash)
        return access_pb2.EnrolResponse(agent=key.name, tenants=key.tenants.patterns, sources=key.sources.patterns)

    async def IssueToken(self, request: access_pb2.IssueTokenRequest, context: Any) -> access_pb2.IssueTokenResponse:
        """A token for a person or a program."""
        credential, presented = await answered(
            context,
            self._issuer.issue_token,
            current_session().caller,
            request.name,
            request.role,
            request.tenants,
            request.expires_s,
        )
        return access_pb2.IssueTokenResponse(credential=_shown(credential), token=presented.text)

    async def InviteAgent(self, request: access_pb2.InviteAgentRequest, context: Any) -> access_pb2.InviteAgentResponse:
        """An invitation for an agent."""
        credential, presented = await answered(
            context,
            self._issuer.invite_agent,
            current_session().caller,
            request.agent,
            request.tenants,
            request.sources,
            request.expires_s,
        )
        return access_pb2.InviteAgentResponse(credential=_shown(credential), token=presented.text)

    async def Revoke(self, request: access_pb2.RevokeRequest, context: Any) -> access_pb2.RevokeResponse:
        """The end of a credential."""
        credential = await answered(context, self._issuer.revoke, current_session().caller, request.id)
        return access_pb2.RevokeResponse(credential=_shown(credential))

    async def Rotate(self, request: access_pb2.RotateRequest, context: Any) -> access_pb2.RotateResponse:
        """A new secret for a credential."""
        by = current_session().caller
        credential, presented = await answered(context, self._issuer.rotate, by, request.id, request.overlap_s)
        return access_pb2.RotateResponse(credential=_shown(credential), token=presented.text)

    async def List(self, request: access_pb2.ListRequest, context: Any) -> access_pb2.ListResponse:
        """Every credential."""
        found = await answered(context, self._issuer.all)
        return access_pb2.ListResponse(rows=[_shown(each) for each in found])


def _shown(credential: Credential) -> access_pb2.Credential:
    return access_pb2.Credential(
        id=credential.id,
        kind=credential.kind,
        name=credential.name,
        role=credential.role if credential.kind == "token" else "",
        tenants=credential.tenants.patterns,
        sources=credential.sources.patterns,
        created=_time(credential.created_us),
        expires=_time(credential.expires_us),
        revoked=_time(credential.revoked_us),
        rotated=_time(credential.rotated_us),
        old_until=_time(credential.old_until_us),
        state=credential.state(now_us()),
    )


def _time(time_us: int) -> str:
    return instants.text(time_us) if time_us else ""
