"""What a collect would do and how long it would take, from what is known or else assumed."""

from __future__ import annotations

from collector.planning.disk import Disk
from collector.planning.limits import Limit
from collector.planning.plans import Plan, ProjectPlan, of_state

__all__ = ["Disk", "Limit", "Plan", "ProjectPlan", "of_state"]
