"""Discovery: asks the API which servers a project has.

`listing.py` lists projects side by side; `pages.py` walks through one project's pages, `alarms.py`
through its alarms. Each call goes by `asking.py`, which repeats what may pass and lets a credential
prove itself by one call alone. `filling.py` makes what was found part of an inventory.

Nothing of a run exists yet: discovery is over before a run begins, and a resume never lists again.
"""

from __future__ import annotations

from collector.discovery.filling import discover
from collector.discovery.listing import Found, list_projects

__all__ = ["Found", "discover", "list_projects"]
