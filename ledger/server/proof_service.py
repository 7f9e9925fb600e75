"""The Proof service: each call goes to one method of ``ledger.proof``, in a thread; the policy has decided before."""

from __future__ import annotations

from typing import Any

from ledger.proof.proofs import Proofs
from ledger.proof.signer import Signer
from ledger.proof.succession import Succession
from ledger.server.authentication import current_session
from ledger.server.query_service import answered
from meterbook.ledger.v1 import proof_pb2, proof_pb2_grpc
from meterbook.wire import instants
from meterbook.wire.instants import now_us


class ProofService(proof_pb2_grpc.ProofServicer):
    """Shows that the book holds what it held; see ``proof.proto``."""

    def __init__(self, signer: Signer, proofs: Proofs) -> None:
        self._signer, self._proofs = signer, proofs

    async def Checkpoint(self, request: proof_pb2.CheckpointRequest, context: Any) -> proof_pb2.CheckpointResponse:
        """What the ledger signs."""
        signed = await answered(context, self._proofs.checkpoint, request.as_of)
        return proof_pb2.CheckpointResponse(note=signed.note, size=signed.size)

    async def Inclusion(self, request: proof_pb2.InclusionRequest, context: Any) -> proof_pb2.InclusionResponse:
        """The proof file of a batch."""
        asked = (request.agent, request.epoch, request.sequence, request.as_of)
        bundle, position, signed = await answered(context, self._proofs.inclusion, *asked)
        return proof_pb2.InclusionResponse(bundle=bundle, position=position, size=signed.size)

    async def Leaf(self, request: proof_pb2.LeafRequest, context: Any) -> proof_pb2.LeafResponse:
        """The path from a record's place."""
        leaf, path, signed = await answered(context, self._proofs.leaf, request.position, request.as_of)
        return proof_pb2.LeafResponse(leaf=leaf, path=path, note=signed.note, size=signed.size)

    async def Consistency(self, request: proof_pb2.ConsistencyRequest, context: Any) -> proof_pb2.ConsistencyResponse:
        """The path between two trees."""
        path, new_size = await answered(context, self._proofs.consistency, request.old_size, request.new_size)
        return proof_pb2.ConsistencyResponse(path=path, new_size=new_size)

    async def Keys(self, request: proof_pb2.KeysRequest, context: Any) -> proof_pb2.KeysResponse:
        """The book's keys."""
        return _shown(await answered(context, self._signer.succession))

    async def RotateKey(self, request: proof_pb2.RotateKeyRequest, context: Any) -> proof_pb2.RotateKeyResponse:
        """A new key."""
        author = str(current_session().caller)
        found = await answered(context, self._signer.rotate, author, request.overlap_s)
        return proof_pb2.RotateKeyResponse(keys=_shown(found))


def _shown(found: Succession) -> proof_pb2.KeysResponse:
    untils = (*found.until_us, 0)
    return proof_pb2.KeysResponse(
        origin=found.origin,
        keys=[
            proof_pb2.Key(
                verifier_key=str(key),
                from_size=key.from_size,
                is_signing=not until_us or until_us > now_us(),
                until=instants.text(until_us) if until_us else "",
            )
            for key, until_us in zip(found.keys, untils, strict=True)
        ],
        rotations=found.statements,
    )
