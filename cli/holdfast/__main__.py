"""The way in, of the console script and of `python -m holdfast`. Ctrl-C ends it in one line, with exit code 130, at any
moment."""

import os
import signal


def main() -> None:
    """Runs the verb that was called, and ends the process with its exit code."""
    # An exception raised in the midst of an import may be swallowed or turned into another one; and until the verb
    # begins nothing runs that would have to be stopped.
    signal.signal(signal.SIGINT, _end)
    from holdfast import cli

    cli.main()


def _end(*_: object) -> None:
    os.write(2, b"stopped\n")
    os._exit(130)


if __name__ == "__main__":
    main()
