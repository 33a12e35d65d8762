"""Chooses the calls that probe an endpoint: a witness's, or else another server's.

A witness is a server whose export the endpoint knows. To ask it for that export's status harms
nobody, and any answer is one. Before there is a witness, the call of a server that waits has to do.
"""

from __future__ import annotations

import math
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from collector.engine.admission.endpoint_breaker import LATENCIES, PROBE_S
from collector.engine.queueing.alarms import Alarms
from collector.model.actions import AskStatus
from collector.model.answers import Call

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Container, Mapping

    from collector.engine.admission.credential_health import CredentialHealth
    from collector.engine.admission.endpoint_breaker import EndpointBreaker
    from collector.engine.admission.in_flight import InFlight
    from collector.engine.outcomes.observations import Observations
    from collector.engine.pacing.pacer import Pacer
    from collector.engine.queueing.lanes import Lane
    from collector.engine.queueing.ready import ReadyLanes
    from collector.model.actions import Action, Request
    from collector.model.state import RunState

WITNESSES = 64
"""Of each endpoint, so many of the latest are remembered."""
ASKED_AT_ONCE = 3
"""Some of them may have trouble of their own."""
ASKED_OF_CREDENTIALS = 1
"""Some services lock a key that is refused more than five times in a row."""
_HARMLESS = (Call.ASK_STATUS, Call.FETCH_ARCHIVE)
_DOUBTFUL = (Call.START_EXPORT,)


class _Witnesses:
    """Servers of one endpoint, the latest, with the exports that it knows.

    Attributes:
        told: those whose status was told when last asked.
        others: those whose exports were begun.
    """

    __slots__ = ("others", "told")

    def __init__(self) -> None:
        self.told: deque[tuple[int, str]] = deque(maxlen=WITNESSES)
        self.others: deque[tuple[int, str]] = deque(maxlen=WITNESSES)


class Probes:
    """Puts endpoints' questions, and probes those that are down.

    Args:
        state: the run.
        lanes: all of the run's, by project and call.
        pacer: who may send when; a probe obeys limits as any call does.
        in_flight: how many downloads there may be.
        waiting: what lanes hold, and what they wait for.
        observations: where it is told that an endpoint is down.
        rng: chooses who is asked.
        leave: dispatches a server's call.
        asked_until_s: until when the service has asked to be left alone with a server.
    """

    __slots__ = (
        "_alarms", "_asked_until_s", "_doubted", "_endpoints_of", "_in_flight", "_lanes", "_leave",
        "_observations", "_of", "_pacer", "_rng", "_state", "_touched", "_waiting", "_witnesses",
    )  # fmt: skip

    def __init__(
        self,
        state: RunState,
        lanes: Mapping[tuple[int, Call], Lane],
        pacer: Pacer,
        in_flight: InFlight,
        waiting: ReadyLanes,
        observations: Observations,
        *,
        rng: random.Random,
        leave: Callable[[Lane, float, int], Request],
        asked_until_s: Callable[[int], float],
    ) -> None:
        self._asked_until_s = asked_until_s
        self._state = state
        self._lanes = lanes
        self._pacer = pacer
        self._in_flight = in_flight
        self._waiting = waiting
        self._observations = observations
        self._rng = rng
        self._leave = leave
        self._of: dict[EndpointBreaker, list[Lane]] = {}
        for lane in lanes.values():
            self._of.setdefault(lane.breaker, []).append(lane)
        self._endpoints_of: dict[CredentialHealth, dict[EndpointBreaker, None]] = {}
        for lane in lanes.values():
            self._endpoints_of.setdefault(lane.credential, {})[lane.breaker] = None
        self._touched: dict[EndpointBreaker, None] = {}
        self._alarms: Alarms[EndpointBreaker] = Alarms()
        self._doubted: dict[CredentialHealth, None] = {}
        self._witnesses: dict[EndpointBreaker, _Witnesses] = {}

    def saw(self, breaker: EndpointBreaker, server: int, export_id: str, call: Call) -> None:
        """Remember an export that the endpoint knows; one whose status was told is better."""
        if breaker not in self._witnesses:
            self._witnesses[breaker] = _Witnesses()
        witnesses = self._witnesses[breaker]
        of = witnesses.told if call is Call.ASK_STATUS else witnesses.others
        of.append((server, export_id))

    def touch(self, lane: Lane) -> None:
        """Look again at a lane's endpoint and credential: a call of its has come back."""
        breaker = lane.breaker
        if breaker.is_in_order:
            breaker.wakes_s = math.inf
        else:
            self._touched[breaker] = None
        if lane.credential.is_doubted:
            self._doubted[lane.credential] = None

    def left(self, lane: Lane) -> None:
        """Look at a lane's endpoint once a call that has left has waited in silence too long."""
        breaker = lane.breaker
        if breaker.wakes_s == math.inf:  # else it is looked at before
            self._alarms.set(breaker, breaker.looks_at(latency_s=self._latency_s(breaker)))

    def take(self, now_s: float, actions: list[Action]) -> float:
        """Send the probes that are due; return when to look again.

        Args:
            now_s: now.
            actions: what is sent is added to it.
        """
        touched, self._touched = self._touched, {}
        while self._alarms.next_s <= now_s:
            touched[self._alarms.pop()] = None
        for breaker in touched:
            self._alarms.set(breaker, self._take(breaker, now_s, actions))
        wake_s = self._alarms.next_s
        for credential in list(self._doubted):
            if credential.is_doubted:
                wake_s = min(wake_s, self._take_for(credential, now_s, actions))
            else:
                del self._doubted[credential]
        return wake_s

    def _take_for(self, credential: CredentialHealth, now_s: float, actions: list[Action]) -> float:
        """Ask whether a credential that was refused is still accepted by those who knew it."""
        if credential.in_flight:
            return math.inf
        if now_s < credential.next_s:
            return credential.next_s
        for breaker in self._endpoints_of[credential]:
            if breaker.down_s is None and breaker in self._witnesses:
                limit_s = max(PROBE_S, LATENCIES * self._latency_s(breaker))
                probes, _ = self._of_witnesses(
                    breaker, now_s, ASKED_OF_CREDENTIALS, limit_s, of=credential
                )
                if probes:
                    actions += probes
                    break
        return math.inf

    def _take(self, breaker: EndpointBreaker, now_s: float, actions: list[Action]) -> float:
        latency_s = self._latency_s(breaker)
        if breaker.look(now_s, latency_s=latency_s):
            wake_s = self._question(breaker, now_s, actions, max(PROBE_S, LATENCIES * latency_s))
            if wake_s > now_s:
                return wake_s
        if breaker.down_s is None:
            return breaker.looks_at(latency_s=latency_s)
        if now_s >= (gives_up_s := breaker.gives_up_s()):
            breaker.give_up()
            return math.inf
        if now_s < breaker.probe_s:
            return min(breaker.probe_s, gives_up_s)
        limit_s = max(PROBE_S, LATENCIES * latency_s)
        probes, wake_s = self._probes(breaker, now_s, 1, limit_s)
        actions += probes
        if probes or wake_s == math.inf:
            breaker.probed(now_s)
            wake_s = breaker.probe_s
        return min(wake_s, gives_up_s)

    def _latency_s(self, breaker: EndpointBreaker) -> float:
        return self._of[breaker][0].track.latency.mean_s

    def _question(
        self, breaker: EndpointBreaker, now_s: float, actions: list[Action], limit_s: float
    ) -> float:
        """Put a question, or draw the conclusion; return when to look again."""
        question = breaker.question
        assert question is not None  # noqa: S101  # who calls has looked
        if question.asked_s is None:
            probes, wake_s = self._probes(breaker, now_s, ASKED_AT_ONCE, limit_s)
            if not probes and wake_s < math.inf:
                return wake_s  # somebody can be asked, and not yet
            if probes or question.silent:
                actions += probes
                question.probes += probes
                question.asked_s = now_s
                question.rounds += 1
            elif question.not_sent or breaker.has_answered_nobody:
                self._goes_down(breaker, now_s)
                return now_s
            else:
                breaker.cleared(now_s)
                self._waiting.touch_gate(breaker)
                return now_s
        if now_s < question.asked_s + limit_s:
            return question.asked_s + limit_s
        self._goes_down(breaker, now_s)
        return now_s

    def _goes_down(self, breaker: EndpointBreaker, now_s: float) -> None:
        breaker.goes_down(now_s)
        self._observations.endpoint_down(breaker, now_s)

    def _probes(
        self, breaker: EndpointBreaker, now_s: float, most: int, limit_s: float
    ) -> tuple[list[Request], float]:
        """Return up to `most` probes; with none, when there may be one; infinite: never.

        Whoever had trouble is asked only where the endpoint is down. A POST that nobody answers may
        have started an export: it is the last resort.
        """
        ways: list[Callable[[], tuple[list[Request], float]]] = [
            partial(self._of_witnesses, breaker, now_s, most, limit_s),
            partial(self._calls, breaker, now_s, _HARMLESS, suspects=False),
            partial(self._calls, breaker, now_s, _DOUBTFUL, suspects=False),
        ]
        if breaker.down_s is not None:
            mute = partial(self._of_witnesses, breaker, now_s, most, limit_s, mute=True)
            ways.insert(2 + self._rng.randrange(2), mute)
            ways += [
                partial(self._calls, breaker, now_s, _HARMLESS, suspects=True),
                partial(self._calls, breaker, now_s, _DOUBTFUL, suspects=True),
            ]
        probes: list[Request] = []
        wake_s = math.inf
        for way in ways:
            if not probes and wake_s == math.inf:
                probes, wake_s = way()
        return probes, wake_s

    def _of_witnesses(
        self,
        breaker: EndpointBreaker,
        now_s: float,
        most: int,
        limit_s: float,
        *,
        mute: bool = False,
        of: CredentialHealth | None = None,
    ) -> tuple[list[Request], float]:
        wake_s = math.inf
        probes: list[Request] = []
        for server, export_id in self._whom_to_ask(breaker, mute=mute):
            lane = self._lanes[self._state.servers[server].project, Call.ASK_STATUS]
            if lane.admission.refused is not None or lane.permission.barred is not None:
                continue
            if of is not None and (of is not lane.credential or server in of.refused_servers):
                continue
            if (at_s := self._leaves_at(lane, now_s)) > now_s:
                wake_s = min(wake_s, at_s)
                continue
            probes.append(
                AskStatus(
                    server, now_s, asks_limits=False, export_id=export_id, within_s=limit_s,
                    is_probe=True,
                )
            )  # fmt: skip
            self._pacer.sent(lane.track, now_s)
            self._observations.count(lane.project)
            lane.credential.in_flight += 1
            if len(probes) == most:
                break
        return probes, wake_s

    def _whom_to_ask(self, breaker: EndpointBreaker, *, mute: bool) -> list[tuple[int, str]]:
        """Return the witnesses that told no status when last asked, or the others, by chance.

        Those go first that ever told one, and those that have no trouble of any kind.
        """
        asked: dict[int, str] = {}
        known = self._witnesses.get(breaker, _Witnesses())
        for some in (known.told, known.others):
            witnesses = [one for one in some if (one[0] in breaker.mute_servers) is mute]
            self._rng.shuffle(witnesses)
            witnesses.sort(key=lambda one: one[0] in breaker.unanswered_servers)
            asked = dict(witnesses) | asked
        return list(asked.items())

    def _calls(
        self, breaker: EndpointBreaker, now_s: float, calls: Container[Call], *, suspects: bool
    ) -> tuple[list[Request], float]:
        """Return the call of a server that waits, chosen among the suspects or the others."""
        wake_s = math.inf
        for lane in self._of[breaker]:
            if lane.call not in calls or not self._has_room(lane):
                continue
            if not lane.permission.free and lane.permission.closed(now_s) is not None:
                continue
            servers = [
                server
                for server in lane.servers()
                if (server in breaker.unanswered_servers) is suspects
            ]
            if not servers:
                continue
            at_s = max(
                self._leaves_at(lane, now_s),
                lane.admission.again_s,
                min(map(self._asked_until_s, servers)),
            )
            if at_s <= now_s:
                servers = [one for one in servers if self._asked_until_s(one) <= now_s]
                return [self._leave(lane, now_s, self._rng.choice(servers))], now_s
            wake_s = min(wake_s, at_s)
        return [], wake_s

    def _has_room(self, lane: Lane) -> bool:
        if lane.call is not Call.FETCH_ARCHIVE:
            return len(lane) > 0 and not (lane.call is Call.START_EXPORT and lane.exports.full)
        return len(lane) > 0 and self._in_flight.has_room_for_download

    def _leaves_at(self, lane: Lane, now_s: float) -> float:
        """Return when limits let a call leave; to wait for an answer first would be in vain."""
        at_s = self._pacer.next_at(lane.track)
        return now_s if at_s == math.inf else at_s
