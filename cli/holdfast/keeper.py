"""`python -m holdfast.keeper FOLDER START`: keeps a stack up in the background until SIGTERM."""

import signal
import sys
from datetime import datetime
from pathlib import Path

from holdfast import stack

if __name__ == "__main__":
    try:
        with stack.running(Path(sys.argv[1]), clock=datetime.fromisoformat(sys.argv[2])):
            signal.pause()
    except KeyboardInterrupt:
        pass
