"""What can be set for entering an AWS account, or a service that speaks S3 elsewhere."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

#: As the model of ``sts:AssumeRole`` limits it (API reference, AssumeRole, ExternalId).
ExternalId = Annotated[str, StringConstraints(min_length=2, max_length=1224, pattern=r"^[A-Za-z0-9_+=,.@:/-]*$")]
RoleArn = Annotated[
    str, StringConstraints(max_length=2048, pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$")
]
SessionName = Annotated[str, StringConstraints(min_length=2, max_length=64, pattern=r"^[A-Za-z0-9_+=,.@-]*$")]

_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def _checked(region: str) -> str:
    if not _REGION.fullmatch(region):
        raise ValueError(f"region {region!r} is not a name such as eu-central-1")
    return region


#: A region's name; what cannot be one is refused, since it becomes part of a host's name.
Region = Annotated[str, AfterValidator(_checked)]


class AccountConfig(BaseModel):
    """Who asks, and where. Without anything the credentials are those that AWS clients find: environment, files, the role of the machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str | None = Field(
        default=None,
        min_length=1,
        description="Profile of the shared AWS files whose credentials and region are taken.",
    )
    role_arn: RoleArn | None = Field(
        default=None, description="Role to take on in the account that is read; the credentials' own rights if unset."
    )
    external_id: ExternalId | None = Field(
        default=None,
        description="External id that the role's trust policy asks for; it tells one customer's agent from another's.",
    )
    session_name: SessionName = Field(
        default="meterbook", description="Name under which the role's use is seen in CloudTrail."
    )
    endpoint: str | None = Field(
        default=None,
        description="URL of a service that is not AWS's own, such as http://127.0.0.1:9000; AWS's if unset.",
    )
    timeout_s: float = Field(
        default=30.0, gt=0, le=600, description="Seconds of silence after which an answer is given up."
    )
    attempts_max: int = Field(
        default=3, ge=1, le=10, description="How often a request is tried; throttled ones wait longer each time."
    )

    @field_validator("endpoint")
    @classmethod
    def _endpoint_is_an_origin(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and not re.fullmatch(r"https?://[^/?#@\s]+/?", endpoint):
            raise ValueError(f"{endpoint!r} is not http:// or https:// with a host and a port alone")
        return endpoint

    @model_validator(mode="after")
    def _external_id_has_a_role(self) -> AccountConfig:
        if self.external_id is not None and self.role_arn is None:
            raise ValueError("external_id needs a role_arn whose trust policy asks for it")
        return self
