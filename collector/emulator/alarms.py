"""Alarms of a project's servers (API reference, "Querying alarms")."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from collector.emulator import refusals
from collector.emulator.chance import fraction, opaque
from collector.emulator.errors import require
from collector.emulator.odd_bodies import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from collector.emulator.list_faults import ListFault
    from collector.emulator.refusals import Refusal
    from collector.emulator.roster import Roster
    from collector.emulator.scenario import Scenario

AlarmStatus = Literal["alarm", "ok", "invalid"]
_LEVELS = range(1, 5)
_MS_FROM = 100_000_000_000
"""A Unix time from here on counts milliseconds: as seconds it would be in the year 5138."""
_NAMES = {1: "disk failure", 2: "fan failure", 3: "ECC errors", 4: "firmware out of date"}
_METRICS = {1: "disk_health", 2: "fan_state", 3: "memory_ce_errors", 4: "firmware_state"}


@dataclass(frozen=True, slots=True)
class AlarmSpec:
    """An alarm of a server.

    Attributes:
        level: 1 is critical, 2 major, 3 minor, 4 info.
        began_ago_s: How long before the emulator's start it began, in seconds.
        status: `alarm` is active, `ok` has passed, `invalid` counts no more.
        ended_ago_s: How long before that start it ended; None means half as long as it began,
            unless it is active.
        name: What it is called; empty means a name by its level.
    """

    level: int = 1
    began_ago_s: float = 600.0
    status: AlarmStatus = "alarm"
    ended_ago_s: float | None = None
    name: str = ""

    def __post_init__(self) -> None:
        require(self.level in _LEVELS, "alarm: level must be 1 to 4")


@dataclass(frozen=True, slots=True)
class _Record:
    """An alarm as it is listed, and what it is filtered by."""

    server_id: str
    level: int
    status: str
    began_s: float
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request asks for; None means any."""

    record_id: str | None
    status: str | None
    level: int | None
    servers: frozenset[str] | None
    from_s: float | None
    to_s: float | None
    offset: int
    limit: int

    @classmethod
    def parse(cls, query: Mapping[str, str], most: int) -> _Asked | None:
        """Read it from a query; None if it is none that the reference documents."""
        servers = query.get("resource_id")
        level = query.get("alarm_level")
        try:
            asked = cls(
                record_id=query.get("alarm_record_id") or None,
                status=query.get("alarm_status") or None,
                level=int(level) if level else None,
                servers=frozenset(servers.split(",")) if servers else None,
                from_s=_moment(query.get("from")),
                to_s=_moment(query.get("to")),
                offset=int(query.get("offset") or 0),
                limit=min(int(query.get("limit") or most), most),
            )
        except (ValueError, OverflowError):
            return None
        in_order = asked.from_s is None or asked.to_s is None or asked.from_s < asked.to_s
        is_good = asked.offset >= 0 and asked.limit >= 1 and in_order
        return asked if is_good and asked.level in (None, *_LEVELS) else None

    def wants(self, record: _Record) -> bool:
        """Whether it asks for that alarm too."""
        return (
            self.record_id in (None, record.body["alarm_record_id"])
            and self.status in (None, record.status)
            and self.level in (None, record.level)
            and (self.servers is None or record.server_id in self.servers)
            and (self.from_s is None or record.began_s >= self.from_s)
            and (self.to_s is None or record.began_s < self.to_s)
        )


class Alarms:
    """Answers the calls for pages of alarms.

    Args:
        scenario: Which there are.
        start_s: When the emulator started, on the service's clock in seconds since 1970.
    """

    def __init__(self, scenario: Scenario, start_s: float) -> None:
        self._scenario = scenario
        self._start_s = start_s
        self._records: dict[str, list[_Record]] = {}

    def answer(
        self,
        roster: Roster,
        request: web.BaseRequest,
        headers: Mapping[str, str],
        fault: ListFault | None,
    ) -> web.Response | Refusal:
        """Answer a call for a page of alarms, newest first, in the way of the fault."""
        asked = _Asked.parse(request.rel_url.query, self._scenario.alarms_per_page)
        if asked is None:
            return refusals.service_fault("bad_parameter", "")
        wanted = [record for record in self._of(roster) if asked.wants(record)]
        page = wanted[asked.offset : asked.offset + asked.limit]
        alarms: list[Mapping[str, Any]] | None = [record.body for record in page]
        match fault.name if fault is not None else "":
            case "no_list":
                alarms = None
            case "null_fields":
                alarms = [{**record.body, "metric": None} for record in page]
        return listed({"alarms": alarms, "count": len(wanted)}, headers, fault)

    def _of(self, roster: Roster) -> list[_Record]:
        project = roster.project
        if project.id not in self._records:
            records = [
                self._record(server.id, number, alarm)
                for server in project.servers
                for number, alarm in enumerate(server.alarms)
            ]
            self._records[project.id] = sorted(records, key=lambda of: of.began_s, reverse=True)
        return self._records[project.id]

    def _record(self, server_id: str, number: int, alarm: AlarmSpec) -> _Record:
        id_ = opaque(self._scenario.seed, server_id, "alarm", number)
        began_s = self._start_s - alarm.began_ago_s
        ended_s = None
        if alarm.status != "alarm":
            ago_s = alarm.began_ago_s / 2 if alarm.ended_ago_s is None else alarm.ended_ago_s
            ended_s = self._start_s - ago_s
        dimensions = [{"name": "instance_id", "value": server_id}]
        if fraction(id_, "component") < 0.5:  # noqa: PLR2004 - evenly
            dimensions.append({"name": "component", "value": "slot-1"})
        body = {
            "alarm_record_id": f"ah{id_[:22]}",
            "alarm_id": f"al{id_[-22:]}",
            "alarm_name": alarm.name or _NAMES[alarm.level],
            "alarm_status": alarm.status,
            "alarm_level": alarm.level,
            "begin_time": self._unix(began_s),
            "end_time": None if ended_s is None else self._unix(ended_s),
            "last_alarm_time": self._unix(began_s if ended_s is None else ended_s),
            "metric": {"metric_name": _METRICS[alarm.level], "dimensions": dimensions},
        }
        return _Record(server_id, alarm.level, alarm.status, began_s, body)

    def _unix(self, seconds: float) -> int:
        return int(seconds if self._scenario.alarm_times == "s" else seconds * 1000)


def _moment(text: str | None) -> float | None:
    """Read a time: Unix milliseconds or seconds, or ISO 8601.

    Raises:
        ValueError: If it is none of these.
    """
    if not text:
        return None
    if not text.isdecimal():
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(text)
        return moment.timestamp()
    number = int(text[:20])
    return number / 1000 if number >= _MS_FROM else float(number)
