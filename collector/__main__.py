"""The entry point: the console script `collector`, and `python -m collector`.

As little as possible is loaded before signals are handled.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

from collector import signals


def main() -> None:
    """Run the command line."""
    signals.end_at_once()
    _use_utf8()
    # Modules, rows and events stay: to look for cycles among them takes a fifth of a run.
    gc.set_threshold(100_000, 50, 100)
    from collector.cli import main as commands  # noqa: PLC0415  # signals are heeded before

    atexit.register(signals.ignore)  # threads are no longer waited for by then
    try:
        commands(prog_name="collector")
    except SystemExit as done:
        signals.end_at_once(done.code if isinstance(done.code, int) else None)
        if isinstance(done.code, int) and sys.getprofile() is sys.gettrace() is None:
            _leave(done.code)
        raise  # somebody measures, and reports at the end


def _leave(code: int) -> None:
    """End the process, and leave its memory to the system: to take it apart takes a while.

    As the interpreter does, threads are waited for, and then what `atexit` knows is called. No text
    is held back in buffers of Python's.
    """
    import threading  # noqa: PLC0415  # as above

    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  # there is no other name
    atexit._run_exitfuncs()  # noqa: SLF001  # as above
    os._exit(code)


def _use_utf8() -> None:
    """Restart in Python's UTF-8 mode if the locale uses another encoding for file names.

    File names in a run are UTF-8 whatever the locale, because its records may be read under another
    one. What is written to a terminal stays in the locale's encoding.
    """
    encoding = sys.getfilesystemencoding()
    if encoding.lower() in ("utf-8", "utf8") or not sys.executable:
        return
    if "utf8" in sys._xoptions:  # noqa: SLF001  # documented: it has been chosen, perhaps here
        return
    environment = {"PYTHONIOENCODING": f"{encoding}:backslashreplace", **os.environ}
    arguments = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
    try:
        os.execve(sys.executable, arguments, environment)  # noqa: S606  # this very command again
    except OSError:
        return  # then it stays as it is


if __name__ == "__main__":
    main()
