"""How a server words its answers. Editions of the API reference disagree, so servers may too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from collector.emulator.chance import fraction, generator
from collector.emulator.errors import require

PercentageForm = Literal["percent", "string", "integer", "float", "absent"]
ProgressForm = Literal["linear", "stepped", "stuck_at_99"]
State = Literal["running", "completed", "failed"]

PERCENTAGE_FORMS: tuple[PercentageForm, ...] = ("percent", "string", "integer", "float", "absent")
PROGRESS_FORMS: tuple[ProgressForm, ...] = ("linear", "linear", "stepped", "stuck_at_99")
RUNNING_WORDS = ("processing", "Processing", "Running", "running", "PROCESSING", "RUNNING")
COMPLETED_WORDS = ("completed", "Completed", "COMPLETED")
FAILED_WORDS = ("failed", "Failed", "FAILED", "error", "Error")
UNKNOWN_WORDS = ("Packaging", "queued", "Compressing")
JSON_CONTENT_TYPES = (
    "application/json",
    "application/json",
    "application/json;charset=UTF-8",
    "text/plain;charset=UTF-8",
    "application/octet-stream",
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to word the export and status body.

    Attributes:
        percentage: The member's form: `"30%"`, `"30"`, `30`, `30.0`, or no such member.
        progress: What the percentage does: rises evenly, rises in `steps` steps, or reaches 99
            half-way and stays there until the export has ended.
        steps: The number of steps of `stepped`.
        running: The word for an export under way.
        completed: The word for an export that has an archive.
        failed: The word for an export that will have none.
        unknown_words: The part of answers (0 to 1) that give a word of no edition instead of
            `running`.
        created_at: `2024-07-01T11:32:49Z` or `2025-03-20T02:48:06+00:00`.
        content_type: The Content-Type of every JSON answer.
    """

    percentage: PercentageForm = "percent"
    progress: ProgressForm = "linear"
    steps: int = 4
    running: str = "processing"
    completed: str = "completed"
    failed: str = "failed"
    unknown_words: float = 0.0
    created_at: Literal["z", "offset"] = "z"
    content_type: str = "application/json"

    def __post_init__(self) -> None:
        require(self.steps >= 1, "dialect: steps must be at least 1")
        require(0 <= self.unknown_words <= 1, "dialect: unknown_words is a part, 0 to 1")


def mixed_dialect(seed: int, server_id: str) -> Dialect:
    """Return the server's own dialect, from the seed."""
    random = generator(seed, server_id, "dialect")
    return Dialect(
        percentage=random.choice(PERCENTAGE_FORMS),
        progress=random.choice(PROGRESS_FORMS),
        steps=random.randint(2, 6),
        running=random.choice(RUNNING_WORDS),
        completed=random.choice(COMPLETED_WORDS),
        failed=random.choice(FAILED_WORDS),
        unknown_words=random.choice((0.0, 0.0, 0.1)),
        created_at=random.choice(("z", "offset")),
        content_type=random.choice(JSON_CONTENT_TYPES),
    )


def word_export(
    dialect: Dialect,
    *,
    export_id: str | None,
    state: State,
    done: float,
    created_at_s: float,
    draw: tuple[object, ...],
) -> bytes:
    """The body of an export or status answer.

    Args:
        dialect: How the server words it.
        export_id: The export; None leaves the member out.
        state: What it has come to.
        done: How much of its time has passed, 0 to 1.
        created_at_s: When it was started, in seconds since 1970.
        draw: The name of the draw that decides on an unknown word.
    """
    body: dict[str, object] = {}
    if export_id is not None:
        body["export_id"] = export_id
    body["status"] = _status_word(dialect, state, draw)
    percentage = _percentage(dialect, 100 if state == "completed" else _percent(dialect, done))
    if percentage is not None:
        body["percentage"] = percentage
    moment = datetime.fromtimestamp(int(created_at_s), UTC).isoformat()
    body["created_at"] = moment.replace("+00:00", "Z") if dialect.created_at == "z" else moment
    return json.dumps(body).encode()


def _status_word(dialect: Dialect, state: State, draw: tuple[object, ...]) -> str:
    if state == "completed":
        return dialect.completed
    if state == "failed":
        return dialect.failed
    if dialect.unknown_words:
        chance = fraction(*draw, "unknown word")
        if chance < dialect.unknown_words:
            return UNKNOWN_WORDS[int(chance / dialect.unknown_words * len(UNKNOWN_WORDS))]
    return dialect.running


def _percent(dialect: Dialect, done: float) -> int:
    """Return the percentage of a running export: never 100."""
    if dialect.progress == "stepped":
        return min(99, int(done * dialect.steps) * 100 // dialect.steps)
    if dialect.progress == "stuck_at_99":
        done *= 2
    return min(99, int(done * 100))


def _percentage(dialect: Dialect, percent: int) -> str | float | None:
    match dialect.percentage:
        case "percent":
            return f"{percent}%"
        case "string":
            return str(percent)
        case "integer":
            return percent
        case "float":
            return float(percent)
        case "absent":
            return None
