"""CloudKitty's hashmap module rating given quantities; run by a Python that has cloudkitty, with the file of quantities.

Each meter is a service with a flat price per unit and, as a volume discount, one threshold: that is what hashmap can say of the plan. The prices are put
where CloudKitty loads them from its database, so that its rating is measured and not its storage. Prints {"s": seconds, "points": number}.
"""

from __future__ import annotations

import datetime
import decimal
import json
import sys
import time
from pathlib import Path

from cloudkitty import dataframe  # type: ignore[import-not-found,unused-ignore]
from cloudkitty.rating.hash import HashMap  # type: ignore[import-not-found,unused-ignore]


def main() -> None:
    """Rate, and print how long it took."""
    rows = json.loads(Path(sys.argv[1]).read_text())
    module = HashMap.__new__(HashMap)
    module._tenant_id = None
    module._res = {}
    module._entries = {
        meter: {
            "mappings": {"_DEFAULT_": {"type": "flat", "cost": decimal.Decimal("0.00003")}},
            "thresholds": {
                "_DEFAULT_": {
                    decimal.Decimal(2_000_000): {"type": "rate", "cost": decimal.Decimal("0.6666666666666667")}
                }
            },
        }
        for meter in {row["meter"] for row in rows}
    }
    by_tenant: dict[str, dict[str, list[object]]] = {}
    for row in rows:
        point = dataframe.DataPoint("unit", row["quantity"], 0, {"project_id": row["tenant"]}, {})
        by_tenant.setdefault(row["tenant"], {}).setdefault(row["meter"], []).append(point)
    start, end = (datetime.datetime(2026, month, 1, tzinfo=datetime.UTC) for month in (3, 4))
    frames = [dataframe.DataFrame(start=start, end=end, usage=usage) for usage in by_tenant.values()]
    began_s = time.perf_counter()
    rated = [module.process(frame) for frame in frames]
    took_s = time.perf_counter() - began_s
    assert all(price > 0 for frame in rated for _, point in frame.iterpoints() for price in [point.price])
    print(json.dumps({"s": took_s, "points": len(rows)}))


if __name__ == "__main__":
    main()
