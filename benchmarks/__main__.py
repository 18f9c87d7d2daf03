"""Measure, and print the table. `python -m benchmarks --help` says what can be chosen."""

import argparse
import datetime
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import HEADER, measure

CORES = 2


def pin() -> str:
    """Keep this process to two cores, and say so; before PyTorch or JAX is imported.

    XLA counts the cores that it may run on; the other libraries are told.
    """
    for name in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = str(CORES)
    if not hasattr(os, "sched_setaffinity"):
        return f"{CORES} threads, not pinned (this system does not let a program do so)"
    cores: list[int] = []
    for cpu in sorted(os.sched_getaffinity(0)):
        if not _siblings(cpu) & set(cores):
            cores.append(cpu)
    os.sched_setaffinity(0, cores[:CORES])
    return f"pinned to {len(cores[:CORES])} cores"


def _siblings(cpu: int) -> set[int]:
    """The CPUs that are threads of the same core."""
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    if not path.exists():
        return set()
    ranges = [[int(end) for end in part.split("-")] for part in path.read_text().split(",")]
    return {one for ends in ranges for one in range(ends[0], ends[-1] + 1)}


def foreign_work() -> float | None:
    """Core-seconds that other programs have spent on this process's cores, up to a constant."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    mine = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    lines = [line.split() for line in stat.read_text().splitlines()]
    busy = [sum(map(int, (*of[1:4], *of[6:9]))) for of in lines if of and of[0] in mine]
    return sum(busy) / os.sysconf("SC_CLK_TCK") - time.process_time()


def machine(pinned: str) -> str:
    """The processor, the cores used, and the versions, in one line."""
    from importlib.metadata import PackageNotFoundError, version

    model, info = platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    versions = [f"Python {platform.python_version()}"]
    for name in ("torch", "numpy", "numba", "jax"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} is not there")
    return f"{model}, {pinned}; {', '.join(versions)}; {datetime.date.today()}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rows asked for."""
    pinned = pin()
    import torch

    from benchmarks.rows import ROWS

    torch.set_num_threads(CORES)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--repeats", type=int, default=5, help="times each contender is measured")
    parser.add_argument("--seconds", type=float, default=1.0, help="that each of them takes, about")
    parser.add_argument("--json", type=Path, help="a file for all rates")
    options = parser.parse_args(arguments)

    lines, record, start, before = [], {}, time.perf_counter(), foreign_work()
    for name in options.only or ROWS:
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            contenders, comparisons = ROWS[name]()
        except ModuleNotFoundError as error:
            sys.exit(f"{error}: `make bench` installs it, or `pip install --editable '.[bench]'`.")
        rates = measure(contenders, repeats=options.repeats, seconds=options.seconds)
        lines += [comparison.line(rates) for comparison in comparisons]
        record[name] = rates
    print(f"{HEADER}\n" + "\n".join(lines))
    about = machine(pinned)
    if before is not None and (after := foreign_work()) is not None:
        share = (after - before) / (time.perf_counter() - start) / CORES
        about += f"; other programs took {100 * max(share, 0.0):.0f} % of these cores"
    print(f"\nMedian [least–greatest] of {options.repeats} repeats. {about}.")
    if options.json:
        kept = {"machine": about, "seconds": options.seconds, "rates": record}
        options.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
