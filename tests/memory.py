"""Memory of a process of its own, which tests start and which imports this."""

import resource
import sys
from pathlib import Path


def peak_gib() -> float:
    """The largest resident size of this process so far, in GiB.

    Linux tells it of this process alone: what getrusage says begins with the size of the process that started it.
    """
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
