"""An emulator of the CloudDC log-export API and of the gateway before it.

It is a real HTTP server that behaves as the API reference says, throttles, and fails on request. It
imports nothing from the project that it tests: a shared constant would hide a shared mistake.

    async with Emulator(fleet(servers=300, projects=3, seed=7)) as emulator:
        print(emulator.url, emulator.token)
"""

from __future__ import annotations

from collector.emulator.alarms import AlarmSpec
from collector.emulator.chance import Lognormal, Uniform
from collector.emulator.dialects import Dialect
from collector.emulator.errors import ScenarioError
from collector.emulator.faults import Fault
from collector.emulator.fleets import fleet
from collector.emulator.iam_faults import IamFault
from collector.emulator.inventory import inventory
from collector.emulator.list_faults import ListFault
from collector.emulator.principals import KeySpec, TokenSpec, UserSpec
from collector.emulator.scenario import ProjectSpec, Scenario, ServerSpec
from collector.emulator.scenario_file import load_scenario, scenario_from_mapping
from collector.emulator.server import Emulator
from collector.emulator.throttling import Throttle

__all__ = [
    "AlarmSpec",
    "Dialect",
    "Emulator",
    "Fault",
    "IamFault",
    "KeySpec",
    "ListFault",
    "Lognormal",
    "ProjectSpec",
    "Scenario",
    "ScenarioError",
    "ServerSpec",
    "Throttle",
    "TokenSpec",
    "Uniform",
    "UserSpec",
    "fleet",
    "inventory",
    "load_scenario",
    "scenario_from_mapping",
]
