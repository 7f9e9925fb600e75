"""Lambda functions: the memory that each run has, and the size of the code. When one was made is not told, only when it was changed."""

from __future__ import annotations

from collections.abc import Iterator

from collector.account.permissions import Grant, Operation
from collector.aws.inquiry import Inquiry
from collector.aws.resources import MEMORY, MIB, SIZE, Resource, Service, labels, measures, scaled


def _resources(ask: Inquiry) -> Iterator[Resource]:
    for function in ask.each("list_functions", "Functions", 50):
        yield Resource(
            "lambda:function",
            function["FunctionName"],
            function["FunctionArn"],
            labels(
                architecture=",".join(function.get("Architectures", ())),
                package=function.get("PackageType"),
                runtime=function.get("Runtime"),
            ),
            measures((MEMORY, scaled(function.get("MemorySize"), MIB)), (SIZE, function.get("CodeSize"))),
        )


service = Service(
    "lambda_functions",
    (Grant((Operation("lambda", "ListFunctions", "lambda:ListFunctions"),)),),
    _resources,
    tagged_as=("lambda:function",),
)
