"""What reading costs asks of Cost Explorer ("Service Authorization Reference", AWS Cost Explorer Service)."""

from __future__ import annotations

from collector.account.permissions import Grant, Operation

COSTS = Operation("ce", "GetCostAndUsage", "ce:GetCostAndUsage")
GRANTS = (Grant((COSTS,)),)
