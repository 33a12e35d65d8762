from __future__ import annotations

from email.utils import formatdate

import pytest
from multidict import CIMultiDict

from collector.model.answers import NO_METADATA, LimitTold, ScopeKind
from collector.providers.clouddc.metadata import MetadataReader
from collector.providers.clouddc.throttling import limits_told, throttled_by
from collector.providers.http.times import (
    CLOCK_EVERY_S,
    LARGEST_NUMBER,
    ClockOffset,
    retry_after_s,
)

WORDS = (
    "The throttling threshold has been reached: policy user over ratelimit,limit:10,time:1 second"
)
NOW_S = 1_795_000_000
NONE: CIMultiDict[str] = CIMultiDict()


@pytest.mark.parametrize("policy", ["api", "user", "app", "ip"])
def test_a_429_names_its_scope_and_its_limit(policy: str) -> None:
    words = WORDS.replace("user", policy)
    assert throttled_by(words) == policy
    assert limits_told(NONE, words) == (LimitTold(ScopeKind(policy), 10, 1.0),)


def test_the_default_of_all_environments_is_a_limit_on_the_call() -> None:
    words = "policy api-allenv over ratelimit,limit:200,time:1 second"
    assert throttled_by(words) is ScopeKind.API
    assert limits_told(NONE, words) == (LimitTold(ScopeKind.API, 200, 1.0),)


@pytest.mark.parametrize(
    ("time", "window_s"),
    [
        ("1 second", 1.0),
        ("10 seconds", 10.0),
        ("1minute", 60.0),
        ("5 MINUTES", 300.0),
        ("1 hour", 3600.0),
        ("1 day", 86_400.0),
        ("2 days", 172_800.0),
        ("1s", 1.0),
        ("10 sec", 10.0),
        ("1 min", 60.0),
        ("2h", 7200.0),
        ("1d", 86_400.0),
        (" 1  second ", 1.0),
        ("0.5 second", 0.5),
    ],
)
def test_a_window_is_told_in_any_unit(time: str, window_s: float) -> None:
    told = limits_told(NONE, f"policy app over ratelimit,limit:10,time:{time}")
    assert told == (LimitTold(ScopeKind.APP, 10, window_s),)


@pytest.mark.parametrize(
    "words",
    [
        "policy ip over ratelimit,limit:200,time:1 minute",
        "policy ip over ratelimit,time:1 minute,limit:200",
        "time:1 minute, limit: 200 (Policy IP)",
        "limit = 200 , time = 1 minute : policy=ip",
        "limit:200,time:1 minute,policy ip over ratelimit",
        "time:1minutes;limit:200;policy:ip",
    ],
)
def test_words_are_understood_in_any_order(words: str) -> None:
    assert throttled_by(words) is ScopeKind.IP
    assert limits_told(NONE, words) == (LimitTold(ScopeKind.IP, 200, 60.0),)


@pytest.mark.parametrize(
    ("said", "limit", "window_s"),
    [
        ("limit:0,time:1 second", 0, 1.0),
        ("limit:-5,time:1 second", -5, 1.0),
        ("limit:10,time:0 second", 10, 0.0),
        ("limit:10,time:-1 second", 10, -1.0),
        ("limit:10,time:1000 day", 10, 86_400_000.0),
        ("limit:1000001,time:1 second", 1_000_001, 1.0),
        ("limit:99999999999999999999,time:1 second", int(LARGEST_NUMBER), 1.0),
        (f"limit:{'9' * 5000},time:1 second", int(LARGEST_NUMBER), 1.0),
        (f"limit:10,time:{'9' * 5000} days", 10, LARGEST_NUMBER * 86_400),
    ],
)
def test_a_limit_that_cannot_be_meant_is_passed_on_as_it_was_said(
    said: str, limit: int, window_s: float
) -> None:
    told = (LimitTold(ScopeKind.USER, limit, window_s),)
    assert limits_told(NONE, f"policy user over ratelimit,{said}") == told
    assert limits_told(CIMultiDict({"X-Apig-RateLimit-user": said})) == told


@pytest.mark.parametrize(
    "words",
    [
        "policy user over ratelimit,limit:10,time:1 fortnight",
        "policy user over ratelimit,limit:10,time:1 ms",
        "policy user over ratelimit,limit:10,time:1 m",
        "policy user over ratelimit,limit:nan,time:1 second",
        "policy user over ratelimit,limit:1e6,time:1 second",
        "policy user over ratelimit,limit:10",
        "policy user over ratelimit,time:1 second",
        "limit:10,time:1 second",
        "Too Many Requests",
        "",
    ],
)
def test_words_without_a_limit_a_window_or_a_scope_tell_nothing(words: str) -> None:
    assert limits_told(NONE, words) == ()


def test_a_429_without_a_policy_names_no_scope() -> None:
    assert throttled_by("Too many requests.") is None
    assert throttled_by("policy unheard-of over ratelimit") is None


def test_headers_tell_the_limit_of_each_scope_and_what_remains() -> None:
    headers = CIMultiDict(
        {
            "x-apig-ratelimit-api": "remain:9,limit:10,time:10 second",
            "X-Apig-RateLimit-User": "remain:0,limit:100,time:1 minute",
            "X-Apig-RateLimit-ip": "limit:7,time:1 second",
        }
    )
    assert set(limits_told(headers)) == {
        LimitTold(ScopeKind.API, 10, 10.0, remaining=9),
        LimitTold(ScopeKind.USER, 100, 60.0, remaining=0),
        LimitTold(ScopeKind.IP, 7, 1.0),
    }


@pytest.mark.parametrize("reverse", [False, True])
def test_of_two_policies_on_one_scope_the_tighter_is_told(reverse: bool) -> None:
    both = [
        ("X-Apig-RateLimit-api", "remain:9,limit:20,time:10 second"),
        ("X-Apig-RateLimit-api-allenv", "remain:199,limit:200,time:1 second"),
    ]
    if reverse:
        both = [(both[0][0], both[1][1]), (both[1][0], both[0][1])]
    assert limits_told(CIMultiDict(both)) == (LimitTold(ScopeKind.API, 20, 10.0, remaining=9),)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("nonsense", ["limit:0,time:1 second", "limit:1,time:1000 days"])
def test_of_two_policies_on_one_scope_the_one_that_can_be_meant_is_told(
    nonsense: str, reverse: bool
) -> None:
    values = ["limit:20,time:10 second", nonsense]
    if reverse:
        values.reverse()
    names = ["X-Apig-RateLimit-api", "X-Apig-RateLimit-api-allenv"]
    told = limits_told(CIMultiDict(zip(names, values, strict=True)))
    assert told == (LimitTold(ScopeKind.API, 20, 10.0),)


@pytest.mark.parametrize("value", ["", "remain:9", "10", "limit:x,time:y"])
def test_a_header_of_nonsense_tells_nothing(value: str) -> None:
    assert limits_told(CIMultiDict({"X-Apig-RateLimit-api": value})) == ()


def date(at_s: float) -> str:
    return formatdate(at_s, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "17"}, 17.0),
        ({"retry-after": " 17 "}, 17.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-1"}, -1.0),
        ({"Retry-After": "31536000"}, 31_536_000.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "9" * 400}, LARGEST_NUMBER),
        ({"Retry-After": date(NOW_S + 30), "Date": date(NOW_S)}, 30.0),
        ({"Retry-After": date(NOW_S - 30), "Date": date(NOW_S)}, 0.0),
        ({"Retry-After": date(NOW_S + 31_536_000), "Date": date(NOW_S)}, 31_536_000.0),
        ({"Retry-After": date(NOW_S + 30)}, None),
        ({"Retry-After": date(NOW_S + 30), "Date": "yesterday"}, None),
        ({"Retry-After": "Mon, 99 Foo 99999 99:99:99 GMT", "Date": date(NOW_S)}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_services_clock(
    headers: dict[str, str], expected: float | None
) -> None:
    assert retry_after_s(CIMultiDict(headers)) == expected


class Clocks:
    wall_s = NOW_S + 0.0
    steady_s = 100.0

    def reader(self) -> MetadataReader:
        return MetadataReader(ClockOffset(lambda: self.wall_s, lambda: self.steady_s))


def test_the_clock_offset_is_ours_less_the_services_half_a_second_in() -> None:
    clocks = Clocks()
    heard = clocks.reader().read(CIMultiDict({"Date": date(NOW_S - 20)}))
    assert heard.clock_offset_s == 19.5


@pytest.mark.parametrize("headers", [{}, {"Date": ""}, {"Date": "no date"}])
def test_without_a_date_there_is_no_clock_offset(headers: dict[str, str]) -> None:
    assert Clocks().reader().read(CIMultiDict(headers)) is NO_METADATA


def test_a_clock_is_looked_at_once_a_minute() -> None:
    clocks = Clocks()
    reader = clocks.reader()
    headers = CIMultiDict({"Date": date(NOW_S)})
    assert reader.read(headers).clock_offset_s is not None
    assert reader.read(headers) is NO_METADATA
    clocks.steady_s += CLOCK_EVERY_S
    assert reader.read(headers).clock_offset_s is not None
