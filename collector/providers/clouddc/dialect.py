"""What the API's answers to a download mean that bring no archive."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from collector.model.answers import Call, ExportState, Problem, ProblemKind
from collector.providers.clouddc.errors import problem_of
from collector.providers.clouddc.parsing import error_body, state_of
from collector.providers.http.downloads import Dialect
from collector.providers.http.replies import parse_json
from collector.providers.http.unpacking import start_of_text

if TYPE_CHECKING:
    from collector.model.answers import ResponseMetadata
    from collector.providers.clouddc.metadata import MetadataReader
    from collector.providers.clouddc.signin.credential import Note
    from collector.providers.http.replies import Reply
    from collector.redaction import Secrets


class ArchiveDialect(Dialect):
    """The dialect of one endpoint.

    Args:
        metadata: reads what its answers tell beside.
        note: takes the last of them, for the credential.
    """

    def __init__(self, metadata: MetadataReader, note: Note) -> None:
        self._metadata = metadata
        self._note = note

    def metadata(self, reply: Reply) -> ResponseMetadata:
        """Return what an answer of the API tells beside its content."""
        self._note.reply = reply
        words = "" if reply.succeeded else error_body(reply.body).words
        return self._metadata.read(reply.headers, words)

    def problem(self, reply: Reply, metadata: ResponseMetadata, secrets: Secrets) -> Problem:
        """Return what an answer means that brings no archive."""
        return problem_of(Call.FETCH_ARCHIVE, reply, metadata=metadata, secrets=secrets)

    def instead(self, reply: Reply, metadata: ResponseMetadata, secrets: Secrets) -> Problem | None:
        """Return what a success means that brings no archive; None where it may be one."""
        meant = _meant_by(reply.body)
        if meant is None:
            return None
        kind, meaning = meant
        said = self.problem(reply, metadata, secrets)
        error = error_body(reply.body)
        if error.code:
            return said
        return replace(said, kind=kind, message=said.message if error.words else meaning)


def _meant_by(beginning: bytes) -> tuple[ProblemKind, str] | None:
    text = start_of_text(beginning)
    if text.startswith(b"<"):
        return ProblemKind.UNREADABLE, "a page came in place of the archive"
    fields = parse_json(beginning) if text.startswith(b"{") else None
    if not isinstance(fields, dict):
        return None
    word = fields.get("status")
    state = state_of(word) if isinstance(word, str) else None
    if state is ExportState.RUNNING:
        return ProblemKind.NOT_READY, "the export has no archive yet"
    if state is ExportState.FAILED:
        return ProblemKind.EXPORT_FAILED, "the service calls the export failed"
    return ProblemKind.UNREADABLE, "JSON came in place of the archive"
