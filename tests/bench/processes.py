"""What a tree of processes has used: CPU time and memory, from /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """Return `root` and every process below it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        if fields := _stat(int(stat.parent.name)):
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, todo = [], [root]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def cpu_seconds(*roots: int) -> float:
    """Return the CPU time of these trees, children that ended included."""
    ticks = 0
    for root in roots:
        for pid in tree(root):
            fields = _stat(pid)
            ticks += sum(int(one) for one in fields[11:15])  # utime stime cutime cstime
    return ticks / TICKS


def peak_bytes(*roots: int) -> int:
    """Return the sum of the peak resident memory of the processes that live now."""
    total = 0
    for root in roots:
        for pid in tree(root):
            total += peak_bytes_of(pid)
    return total


def peak_bytes_of(pid: int) -> int:
    """Return the peak resident memory of one process, 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def held_bytes(*roots: int) -> int:
    """Return the memory that these trees hold now, pages that several share counted once."""
    total = 0
    for root in roots:
        for pid in tree(root):
            with suppress(OSError):  # it has ended
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += sum(int(one.split()[1]) for one in lines if one.startswith("Pss:"))
    return total * 1024


def threads(root: int) -> int:
    """Return how many threads a process has."""
    lines = Path(f"/proc/{root}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Threads:"))


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from `state` on; empty when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()
