"""The tags of everything in a region, where a service's own listing does not have them.

One listing of all tagged resources stands for a call for each of them ("Resource Groups Tagging API reference", GetResources). It knows
nothing of what was never tagged, so it says whose something is and never what there is. What it cannot tell just now is not known,
which is not the same as untagged.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import tags

CLIENT = "resourcegroupstaggingapi"
GRANT = Grant((Operation(CLIENT, "GetResources", "tag:GetResources"),))
#: The most that a page may have (API reference, ResourcesPerPage).
_PAGE_SIZE = 100


def tags_by_arn(ask: Inquiry, types: Sequence[str]) -> dict[str, dict[str, str]]:
    """The tags of the resources of some types, by their ARNs. Raises SourceError."""
    listed = ask.each("get_resources", "ResourceTagMappingList", _PAGE_SIZE, ResourceTypeFilters=list(types))
    return {each["ResourceARN"]: tags(each["Tags"]) for each in listed}
