"""The process of one stage: python -m zifglass.studies.job FOLDER STAGE [--threads N].

Nothing in the package imports this module: Python would warn of one that is there before it runs.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from zifglass.core import Stopped, ZifglassError

from .perform import SIGNALS, perform


def _end_with_parent() -> None:
    """The runner holds the other end of standard input: when it is gone, however it ended, this
    process stops in good order."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def main() -> int:
    """The command line of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("stage")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--max-wall", type=float)
    parser.add_argument("--with-parent", action="store_true")
    given = parser.parse_args()
    # A signal before the work begins or after it ends: nothing is half done.
    for number in SIGNALS:
        signal.signal(number, lambda *_: os._exit(Stopped.exit_status))
    if given.with_parent:
        _end_with_parent()
    try:
        perform(given.folder, given.stage, threads=given.threads, max_wall=given.max_wall)
    except ZifglassError as error:
        print(f"zifglass: {given.stage}: {error}", file=sys.stderr, flush=True)
        return error.exit_status
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
