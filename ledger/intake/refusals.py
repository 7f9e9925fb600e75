"""Why a batch or a message is refused. The codes are the wire's and say what the sender can do about it."""

from __future__ import annotations

from meterbook.intake.v1.intake_pb2 import RefusalCode


class Refused(Exception):
    """Nothing was kept. The message names the field, the value and the place; ``limit`` the setting that was exceeded."""

    def __init__(self, code: RefusalCode.ValueType, message: str, limit: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.limit = limit
