"""S3 buckets, each in its own region, so that every one is listed once. What they hold is told by CloudWatch.

The date that is told of a bucket is no beginning: it changes when the bucket's policy is edited ("Amazon S3 API reference", Bucket).
"""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import Resource, Service


def _resources(ask: Inquiry) -> Iterator[Resource]:
    where = ask.where
    for bucket in ask.each("list_buckets", "Buckets", 1_000, BucketRegion=where.region):
        # Who does not know the question lists every bucket.
        if bucket.get("BucketRegion", where.region) == where.region:
            name = bucket["Name"]
            yield Resource("s3:bucket", name, f"arn:{where.partition}:s3:::{name}")


service = Service(
    "s3", (Grant((Operation("s3", "ListBuckets", "s3:ListAllMyBuckets"),)),), _resources, tagged_as=("s3",)
)
