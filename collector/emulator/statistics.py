"""What the emulator has seen: a run from the service's side."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from collector.emulator.calls import CALL_KINDS, CallKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collector.emulator.exports import Export


class Statistics:
    """Counts, from the service's side; nothing is sampled."""

    def __init__(self) -> None:
        self._calls: Counter[CallKind] = Counter()
        self._answers: Counter[int] = Counter()
        self._throttled: Counter[tuple[str, CallKind]] = Counter()
        self._faults: Counter[str] = Counter()
        self._exports: Counter[str] = Counter()
        self._most_in_flight: Counter[str] = Counter()
        self._downloads: Counter[str] = Counter()
        self._whole_downloads: Counter[str] = Counter()
        self._bytes_sent: Counter[str] = Counter()
        self._leaked: Counter[str] = Counter()
        self._delays_s: list[float] = []
        self._tokens: Counter[str] = Counter()
        self._spent_tokens: Counter[str] = Counter()
        self._credentials: Counter[str] = Counter()
        self._iam_answers: Counter[int] = Counter()
        self.other_calls = 0
        self.iam_calls = 0
        self.iam_throttled = 0
        self.wrong_passwords = 0
        self.wrong_passwords_in_a_row = 0
        self.users_locked = 0
        self.tokens_issued = 0
        self._spent = 0
        self.wrong_signatures = 0
        self.wrong_signatures_in_a_row = 0
        self.keys_issued = 0
        self.keys_locked = 0
        self.locked_key_calls = 0
        self.unknown_keys = 0
        self.refused_keys = 0
        self.expired_signatures = 0
        self.foreign_project_calls = 0
        self.denied_calls = 0
        self.wrong_token_calls = 0
        self.leaked_credentials = 0
        self.redirects = 0
        self.object_requests = 0
        self.refused_links = 0
        self.resets = 0

    def called(self, kind: CallKind) -> None:
        """A call has arrived, whatever its answer."""
        self._calls[kind] += 1

    def recognised(self, label: str) -> None:
        """A call was authenticated, by the credential of that label."""
        self._credentials[label] += 1

    def token_issued(self, projects: tuple[str, ...] | None) -> int:
        """A token is issued for these projects, None for all; return its number."""
        self.tokens_issued += 1
        self._tokens.update(projects or ("",))
        return self.tokens_issued

    def token_spent(self, projects: tuple[str, ...] | None) -> None:
        """A token for these projects, None for all, was refused for its age: the first time."""
        self._spent += 1
        self._spent_tokens.update(projects or ("",))

    def iam_answered(self, status: int) -> None:
        """A sign-in was answered with that status."""
        self._iam_answers[status] += 1

    def answered(self, status: int) -> None:
        """A call was answered with that status."""
        self._answers[status] += 1

    def throttled(self, scope: str, kind: CallKind) -> None:
        """A call was answered with 429, because of that scope."""
        self._throttled[scope, kind] += 1

    def struck(self, fault: str) -> None:
        """A fault has hit a call, an export or a download."""
        self._faults[fault] += 1

    def export_started(self, export: Export, in_flight: int) -> None:
        """An export has started, as the `in_flight`-th of its project."""
        self._exports[export.server_id] += 1
        most = self._most_in_flight
        most[export.project_id] = max(most[export.project_id], in_flight)

    def completion_heard(self, delay_s: float) -> None:
        """A status call was the first to report that an export has completed."""
        self._delays_s.append(delay_s)

    def download_begun(self, server_id: str) -> None:
        """A server's archive, or a part of it, is being sent."""
        self._downloads[server_id] += 1

    def download_ended(self, server_id: str) -> None:
        """The promised part of a server's archive has been sent completely."""
        self._whole_downloads[server_id] += 1

    def sent(self, server_id: str, count: int) -> None:
        """More bytes of a server's archive have been sent."""
        self._bytes_sent[server_id] += count

    def leaked(self, names: Sequence[str]) -> None:
        """A request at the second origin had headers that do not belong there."""
        self.leaked_credentials += 1
        self._leaked.update(names)

    def as_json(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        exports, throttled = self._exports, self._throttled
        scopes = {scope for scope, _ in throttled}
        return {
            "calls": {
                **{kind: self._calls[kind] for kind in CALL_KINDS},
                "total": self._calls.total(),
            },
            "other_calls": self.other_calls,
            "answers": {str(status): n for status, n in sorted(self._answers.items())},
            "throttled": {
                "total": throttled.total(),
                "by_call": {
                    kind: sum(n for (_, of), n in throttled.items() if of == kind)
                    for kind in CALL_KINDS
                },
                "by_scope": {
                    scope: {kind: throttled[scope, kind] for kind in CALL_KINDS}
                    for scope in sorted(scopes)
                },
            },
            "exports": {
                "started": exports.total(),
                "servers": len(exports),
                "servers_with_more_than_one": sum(n > 1 for n in exports.values()),
                "most_in_flight": dict(self._most_in_flight),
                "by_server": dict(exports),
            },
            "detection_delay_s": _quantiles(self._delays_s),
            "downloads": {
                "begun": self._downloads.total(),
                "ended": self._whole_downloads.total(),
                "by_server": dict(self._downloads),
                "bytes_by_server": dict(self._bytes_sent),
            },
            "bytes_sent": self._bytes_sent.total(),
            "faults": dict(sorted(self._faults.items())),
            "resets": self.resets,
            "redirects": self.redirects,
            "object_requests": self.object_requests,
            "refused_links": self.refused_links,
            "leaked_credentials": self.leaked_credentials,
            "leaked_headers": dict(self._leaked),
            "wrong_token_calls": self.wrong_token_calls,
            **self._sign_in(),
        }

    def _sign_in(self) -> dict[str, Any]:
        return {
            "list_calls": self._calls["list"],
            "alarm_calls": self._calls["alarms"],
            "calls_by_credential": dict(self._credentials),
            "iam_calls": self.iam_calls,
            "iam_answers": {str(status): n for status, n in sorted(self._iam_answers.items())},
            "iam_throttled": self.iam_throttled,
            "wrong_passwords": self.wrong_passwords,
            "wrong_passwords_in_a_row": self.wrong_passwords_in_a_row,
            "users_locked": self.users_locked,
            "tokens_issued": self.tokens_issued,
            "tokens_issued_by_project": dict(self._tokens),
            "tokens_spent": self._spent,
            "tokens_spent_by_project": dict(self._spent_tokens),
            "wrong_signatures": self.wrong_signatures,
            "wrong_signatures_in_a_row": self.wrong_signatures_in_a_row,
            "keys_issued": self.keys_issued,
            "keys_locked": self.keys_locked,
            "locked_key_calls": self.locked_key_calls,
            "unknown_keys": self.unknown_keys,
            "refused_keys": self.refused_keys,
            "expired_signatures": self.expired_signatures,
            "foreign_project_calls": self.foreign_project_calls,
            "denied_calls": self.denied_calls,
        }


def _quantiles(values: Sequence[float]) -> dict[str, Any]:
    """Return count, median, 95th percentile and maximum; None if there are no values."""
    ranked = sorted(values)
    if not ranked:
        return {"count": 0, "p50": None, "p95": None, "max": None}
    last = len(ranked) - 1
    at = {"p50": last // 2, "p95": round(last * 0.95), "max": last}
    return {
        "count": len(ranked),
        **{name: round(ranked[index], 6) for name, index in at.items()},
    }
