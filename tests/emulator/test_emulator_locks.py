from __future__ import annotations

from collector.emulator.locks import Locks


def failed(locks: Locks, *times_s: float) -> None:
    for now_s in times_s:
        locks.failed("k", now_s)


def test_a_lock_holds_for_its_time_and_the_row_begins_anew() -> None:
    locks = Locks(2, within_s=None, for_s=10.0)
    failed(locks, 0.0, 5.0)
    assert locks.is_locked("k", 14.9)
    assert not locks.is_locked("k", 15.0)
    failed(locks, 15.0)
    assert not locks.is_locked("k", 15.0)
    assert (locks.locks, locks.most_in_a_row["k"]) == (1, 2)


def test_failures_that_are_long_past_do_not_count() -> None:
    locks = Locks(3, within_s=10.0, for_s=10.0)
    failed(locks, 0.0, 1.0, 10.5)
    assert not locks.is_locked("k", 10.5)
    failed(locks, 10.9)
    assert locks.is_locked("k", 10.9)


def test_one_lock_is_nobody_elses() -> None:
    locks = Locks(1, within_s=None, for_s=10.0)
    failed(locks, 0.0)
    assert not locks.is_locked("other", 1.0)
