"""Where the CPU time of a running service goes: sampled stacks, each put down to one stage of the path."""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

RATE = 100
"""Samples a second at most: where processors are slow and busy, taking one takes longer than that."""
ENOUGH = 100
"""Samples, below which shares say nothing."""
UNKNOWN = "too few samples"

# A frame reads `function (file:line)`. The first rule that fits the innermost frame that any rule fits wins: what a
# library does is put down to the library, what a C function without a rule does to whoever called it.
_RULES: Sequence[tuple[str, re.Pattern[str]]] = tuple(
    (stage, re.compile(pattern))
    for stage, pattern in (
        ("garbage collector", r"^gc_collect|^_?PyObject_GC_Link"),
        ("Kafka client", r"\((aiokafka/|kafka/|.*_records\.c|cutil\.c|crc32c)"),
        ("FastStream", r"\((faststream|fast_depends|anyio|aiokafka_parser)/"),
        ("SQL client", r"\((asyncpg/|protocol\.c|pgproto\.c|record\.c)"),
        ("encode", r"^\S*encode\S* \((runtime/(pump|batch)|contracts/)"),
        ("decode", r"\((runtime/delivery|contracts/(envelope|attributes|structured)|runtime/records)"),
        (
            "decide",
            r"\(((orders|escrow|deposits|disputes|identity)/(?!__main__|main\.py)"
            r"|runtime/(fold|decision)\.py|ledger/(book|postings))",
        ),
        ("SQL arguments and states", r"\((runtime/(repository|inbox|outbox|timers|parking)|ledger/)"),
        ("relay", r"\(runtime/relay"),
        (
            "metrics, traces and logs",
            r"\((prometheus_client|structlog|logging|opentelemetry|runtime/(metrics|tracing|telemetry|otlp))",
        ),
        ("HTTP", r"\((uvicorn|starlette|fastapi|httptools)"),
    )
)
_PUMP = re.compile(r"\(runtime/(pump|batch|intake)")
_LOOP = re.compile(r"\((loop\.c|core\.c|linux\.c|uvloop/|asyncio/|_asynciomodule\.c)")
PUMP, LOOP = "pump", "event loop and sockets"
"""What no rule fits: the pump's own code, or else the loop that runs everything."""
_WAITING = re.compile(r"^(epoll_p?wait|pthread_cond_\w+|sem_\w+|poll|select|PyThread_acquire_lock\w*) ")
_BARE = re.compile(r"^0x[0-9a-f]+ ")


def stage_of(frames: Sequence[str]) -> str | None:
    """The stage of one stack, outermost frame first; None where the thread only waits."""
    inner = [frame for frame in reversed(frames) if not _BARE.match(frame)]
    if not inner or any(_WAITING.match(frame) for frame in inner[:2]):
        return None
    for frame in inner:
        for stage, pattern in _RULES:
            if pattern.search(frame):
                return stage
    own = next((frame for frame in inner if _PUMP.search(frame) or _LOOP.search(frame)), "")
    return PUMP if _PUMP.search(own) else LOOP


def shares(lines: Iterable[str]) -> dict[str, float]:
    """Parts of 1 by stage, largest first, from collapsed stacks (`frame;frame;frame count`). Too few of them are put
    down to `UNKNOWN`, all together."""
    found: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rstrip().rpartition(" ")
        if stage := stage_of(stack.split(";")):
            found[stage] += int(count)
    total = found.total()
    if 0 < total < ENOUGH:
        return {UNKNOWN: 1.0}
    return {stage: count / total for stage, count in found.most_common()}


class Sampler:
    """py-spy on running processes, for so many seconds each; C functions are sampled too."""

    def __init__(self, pids: dict[str, int], seconds: int) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-stacks-")
        self._files = {name: Path(self._folder.name) / f"{name}.txt" for name in pids}
        spy = Path(sys.executable).with_name("py-spy")
        self._running = {
            name: subprocess.Popen(
                [
                    *(spy, "record", "--native", f"--pid={pid}", f"--duration={seconds}", f"--rate={RATE}"),
                    *("--format=raw", f"--output={self._files[name]}"),
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for name, pid in pids.items()
        }

    def end(self) -> dict[str, dict[str, float]]:
        """Waits for the samples: shares by stage, by process. What could not be sampled is left out."""
        found = {}
        for name, process in self._running.items():
            process.communicate()
            if self._files[name].exists():
                found[name] = shares(self._files[name].read_text().splitlines())
        self._folder.cleanup()
        return found
