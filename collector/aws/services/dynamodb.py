"""DynamoDB tables: what is stored, which the service itself counts anew every six hours or so (API reference, TableDescription)."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import ITEMS, STORED, Resource, Service, labels, measures, time_us


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for name in ask.each("list_tables", "TableNames", 100):
        answer = ask.one("describe_table", "ResourceNotFoundException", TableName=name)
        if answer is None:
            continue
        table = answer["Table"]
        indexes = sum(each.get("IndexSizeBytes", 0) for each in table.get("GlobalSecondaryIndexes", ()))
        stored = table["TableSizeBytes"] + indexes if "TableSizeBytes" in table else None
        yield Resource(
            "dynamodb:table",
            name,
            table["TableArn"],
            labels(
                billing=table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
                table_class=table.get("TableClassSummary", {}).get("TableClass", "STANDARD"),
            ),
            measures((STORED, stored), (ITEMS, table.get("ItemCount"))),
            began_us=time_us(table.get("CreationDateTime")),
        )


service = Service(
    "dynamodb",
    (
        Grant((Operation("dynamodb", "ListTables", "dynamodb:ListTables"),)),
        Grant((Operation("dynamodb", "DescribeTable", "dynamodb:DescribeTable"),), ("arn:aws:dynamodb:*:*:table/*",)),
    ),
    _resources,
    tagged_as=("dynamodb:table",),
)
