"""From a stream of bytes to a verified archive at its destination.

An archive's way, each step naming what does it:

1. A download opens. `ArchiveStore.stage` makes a `StagedArchive` for it: a place at the destination
   (`StagedFile`), a reader of its format (`ArchiveReader`), a hash, and a list of its members.
2. If an earlier try has left bytes, `ArchiveStore.resume` reads them back through that reader and
   that hash, and the provider is asked for the rest.
3. `ArchiveStore.store` gathers what arrives into pieces (`Body`). While the next piece is on its
   way, one thread verifies the last (`StagedArchive.verify`) and another hashes and appends it
   (`StagedArchive.write`). A small archive is gathered whole, and takes one visit to one thread.
4. When the last byte has come, `StagedArchive.finish` asks the reader whether the archive is whole,
   compares the service's checksums, and commits. Only then is it `Stored`.
5. Whatever else happens is a `Problem` (`problems`), and `StagedArchive.clean_up` leaves behind
   what that asks for: bytes to continue from, nothing, or `FILE.rejected`.

Two ports let others in: `destination` says where archives are kept, `format` what they are packed
as. `local` and `targz` are the first of each. `docs/how-to/new-destination.md` tells how to write
more.

| module | what it does |
| --- | --- |
| `destination` | the port: stage, append, read back, commit, discard |
| `local` | the first destination: the run's directory, with `FILE.part` |
| `format` | the port: is it whole, and what is inside? |
| `targz` | the first format |
| `store` | the way of one archive, and the room that all of them need |
| `staged` | the threads' work on one archive |
| `body` | counts what arrives against what was promised |
| `workers` | a bounded number of threads; small archives take their steps together |
| `problems` | what the engine is told where an archive is not stored |
| `listing` | the members, as lines for `members.jsonl.gz` |
| `examination` | stored archives, read again |
| `names` | names that are safe on any file system |
"""
