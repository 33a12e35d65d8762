"""Collects observations until they are written to the journal: counters, estimates, notices."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from collector.engine.outcomes.hints import UNREACHABLE, hint_of_sign_in
from collector.engine.pacing.findings import WORTH_TELLING_S, Asked, Learned, LearnedExports
from collector.model import events as e
from collector.model.prior import PriorDurations

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collector.engine.admission.credential_health import Stop
    from collector.engine.admission.endpoint_breaker import EndpointBreaker
    from collector.engine.admission.permissions import Bar
    from collector.engine.admission.sign_in import SignIn
    from collector.engine.pacing.findings import Finding
    from collector.engine.polling.groups import Group, Groups
    from collector.model.answers import Call, Problem, Scope
    from collector.model.wall_time import WallTime

OFFSET_WORTH_A_LINE_S = 0.5


class Observations:
    """Observations that wait for the journal.

    Attributes:
        urgent: whether there is one that a person wants to hear of now.
    """

    def __init__(self, wall_time: WallTime) -> None:
        self._wall_time = wall_time
        self._calls: Counter[int] = Counter()
        self._throttled: Counter[int] = Counter()
        self._arrived: Counter[int] = Counter()
        self._offset_s: float | None = None
        self._offset_written_s: float | None = None
        self._groups: Groups | None = None
        self._learned: dict[int, Group] = {}
        self._words: set[str] = set()
        self._asked_until_s: dict[tuple[Scope, bool], float] = {}
        self._disbelieved: set[tuple[Scope, str]] = set()
        self._events: list[e.Event] = []
        self.urgent = False

    def take(self, now_s: float) -> list[e.Event]:
        """Return what has gathered, and begin anew."""
        at = self._wall_time.stamp(now_s)
        for project in sorted({*self._calls, *self._throttled, *self._arrived}):
            calls, throttled = self._calls[project], self._throttled[project]
            arrived = self._arrived[project]
            if calls or throttled or arrived:
                self._events.append(
                    e.CallsCounted(
                        at=at, project=project, calls=calls, throttled=throttled, arrived=arrived
                    )
                )
        self._calls.clear()
        self._throttled.clear()
        self._arrived.clear()
        if self._offset_s is not None and self._offset_is_new(self._offset_s):
            self._offset_written_s = self._offset_s
            self._events.append(e.ClockOffsetSeen(at=at, offset_s=round(self._offset_s, 1)))
        self._tell_durations(at)
        events, self._events = self._events, []
        self.urgent = False
        return events

    def _tell_durations(self, at: str) -> None:
        """Tell what was learned of durations: of projects, and of the models in them."""
        learned, self._learned = self._learned, {}
        if self._groups is None:
            return
        together: dict[int, PriorDurations] = {
            group.project: self._groups.together(group.project) for group in learned.values()
        }
        for project, known in sorted(together.items()):
            self._events.append(_durations(at, project, None, known))
        for _, group in sorted(learned.items()):
            one = group.durations
            if group.model is not None:
                known = PriorDurations(one.known_from, one.median_s, one.spread)
                self._events.append(_durations(at, group.project, group.model, known))

    def _offset_is_new(self, offset_s: float) -> bool:
        written_s = self._offset_written_s
        return written_s is None or abs(offset_s - written_s) >= OFFSET_WORTH_A_LINE_S

    def count(self, project: int) -> None:
        """Count a call."""
        self._calls[project] += 1

    def uncount(self, project: int) -> None:
        """Take back a call that was counted and turned out never to have left."""
        self._calls[project] -= 1

    def throttled(self, project: int) -> None:
        """Count a 429."""
        self._throttled[project] += 1

    def arrived(self, project: int, size: int) -> None:
        """Count bytes of an archive."""
        self._arrived[project] += size

    def durations(self, group: Group, groups: Groups) -> None:
        """Remember that more is known of how long the exports of a group take."""
        self._groups = groups
        self._learned[group.number] = group

    def clock_offset(self, offset_s: float) -> None:
        """Remember the latest comparison of clocks."""
        self._offset_s = offset_s

    def unknown_word(self, server: int, word: str, now_s: float) -> None:
        """Report a word for an export's status that nobody knows, once."""
        if word not in self._words:
            self._words.add(word)
            at = self._wall_time.stamp(now_s)
            self._events.append(e.WordUnknown(at=at, server=server, word=word))

    def endpoint_down(self, breaker: EndpointBreaker, now_s: float) -> None:
        """Report that an endpoint cannot be reached."""
        at, hint = self._wall_time.stamp(now_s), breaker.hint or UNREACHABLE
        self._events.append(
            e.EndpointWentDown(at=at, endpoint=breaker.name, message=breaker.why, hint=hint)
        )
        self.urgent = True

    def endpoint_back(self, endpoint: str, now_s: float) -> None:
        """Report that it can be again."""
        self._events.append(e.EndpointCameBack(at=self._wall_time.stamp(now_s), endpoint=endpoint))
        self.urgent = True

    def downloads_paused(self, message: str, now_s: float) -> None:
        """Report that the disk takes no archive."""
        self._events.append(e.DownloadsPaused(at=self._wall_time.stamp(now_s), message=message))
        self.urgent = True

    def downloads_went_on(self, now_s: float) -> None:
        """Report that it does again."""
        self._events.append(e.DownloadsWentOn(at=self._wall_time.stamp(now_s)))
        self.urgent = True

    def sign_in(self, sign_in: SignIn, now_s: float) -> None:
        """Report that a credential cannot sign in now, or can again."""
        at, problem = self._wall_time.stamp(now_s), sign_in.problem
        if problem is None:
            self._events.append(e.SignInWentOn(at=at, credential=sign_in.name))
        else:
            self._events.append(
                e.SignInPaused(
                    at=at, credential=sign_in.name, message=problem.message,
                    hint=problem.before_a_failure().hint or hint_of_sign_in(sign_in.name),
                    until=self._wall_time.stamp(sign_in.next_s),
                )
            )  # fmt: skip
        self.urgent = True

    def credential_stopped(self, stop: Stop, problem: Problem, servers: int, now_s: float) -> None:
        """Report that servers fail because their credential is given up."""
        only = None if stop.whole or len(stop.projects) > 1 else stop.projects[0].project
        self._events.append(
            e.CredentialStopped(
                at=self._wall_time.stamp(now_s), credential=stop.credential, project=only,
                servers=servers, message=problem.message, hint=problem.hint or "",
            )
        )  # fmt: skip
        self.urgent = True

    def permission_confirmed(self, project: int, call: Call, now_s: float) -> None:
        """Report that a call is allowed that was doubted."""
        at = self._wall_time.stamp(now_s)
        self._events.append(e.PermissionConfirmed(at=at, project=project, call=call.value))

    def permission_missing(self, bar: Bar, problem: Problem, servers: int, now_s: float) -> None:
        """Report that servers fail because their project is forbidden a call."""
        self._events.append(
            e.PermissionMissing(
                at=self._wall_time.stamp(now_s), project=bar.permissions.project,
                call=bar.call.value, servers=servers, message=problem.message,
                hint=problem.hint or "",
            )
        )  # fmt: skip
        self.urgent = True

    def clock_jumped(self, jump_s: float, now_s: float) -> None:
        """Report that the process was not running."""
        at = self._wall_time.stamp(now_s)
        self._events.append(e.ClockJumped(at=at, jump_s=round(jump_s, 1)))

    def paced(self, news: Iterable[Finding], now_s: float) -> None:
        """Report what was learned of a limit; what was not believed, once."""
        at = self._wall_time.stamp(now_s)
        for item in news:
            scope, name = item.scope
            if isinstance(item, Asked):
                self._asked(item, at)
            elif isinstance(item, LearnedExports):
                self._events.append(
                    e.ExportsLimitLearned(
                        at=at, scope=scope, name=name, limit=item.limit, source="estimated"
                    )
                )
            elif isinstance(item, Learned):
                self._events.append(
                    e.LimitLearned(
                        at=at, scope=scope, name=name, limit=round(item.limit, 3),
                        window_s=item.window_s, source=item.source,
                    )
                )  # fmt: skip
            elif (item.scope, item.about) not in self._disbelieved:
                self._disbelieved.add((item.scope, item.about))
                self.urgent = True
                self._events.append(
                    e.HintDisbelieved(at=at, scope=scope, name=name, message=item.message)
                )

    def _asked(self, asked: Asked, at: str) -> None:
        """Report a wait, unless one that ends at about that time was; of servers, one of many."""
        of_server = asked.server is not None
        told_s = self._asked_until_s.get((asked.scope, of_server), 0.0)
        if asked.until_s < told_s + (WORTH_TELLING_S if of_server else 1.0):
            return
        self._asked_until_s[asked.scope, of_server] = asked.until_s
        (scope, name), until = asked.scope, self._wall_time.stamp(asked.until_s)
        self._events.append(
            e.WaitAsked(at=at, scope=scope, name=name, until=until, server=asked.server)
        )
        self.urgent = True


def _durations(at: str, project: int, model: str | None, known: PriorDurations) -> e.Event:
    return e.DurationsLearned(
        at=at, project=project, exports=known.exports, median_s=round(known.median_s, 1),
        spread=round(known.spread, 3), model=model,
    )  # fmt: skip
