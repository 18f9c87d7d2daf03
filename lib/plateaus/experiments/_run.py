"""Run an experiment: here, or over any `concurrent.futures.Executor`; cut anywhere, lose nothing.

The points of the grid are independent. Here they run one after the other, with all threads; over an
executor each is one call of `measured`, and what comes back is written by the process that asked.
A point that is done is written at once and not computed again; one that is under way keeps
checkpoints, where it can reach the folder of the run.
"""

import contextlib
import dataclasses
import difflib
import fcntl
import importlib.util
import json
import math
import multiprocessing
import os
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    ProcessPoolExecutor,
    as_completed,
)
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from plateaus.experiments import _store
from plateaus.experiments._experiment import (
    Arrays,
    Experiment,
    Point,
    Probe,
    Result,
    Settings,
    Work,
    check,
    points,
    stack,
)

Scale = Literal["chapter", "full"]
Device = Literal["auto", "cpu", "cuda"]

EVERY = 30.0
"""Seconds between two checkpoints of a point."""

_ATTEMPTS = 3  # how often a point may lose its worker


def configured(
    experiment: Experiment,
    *,
    scale: Scale = "chapter",
    device: Device = "auto",
    settings: Settings | None = None,
    **changes: Any,
) -> tuple[Settings, str]:
    """The settings of a run, and "cpu" or "cuda".

    Where there is no GPU, those of scale "full" are the reduced ones, unless `changes` has them.

    Raises:
        ValueError: no such scale, device or setting, a value that its type does not have, or a GPU
            asked for that is not there.
    """
    if scale not in ("chapter", "full"):
        raise ValueError(f"scale is {scale!r}; valid: chapter, full.")
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device is {device!r}; valid: auto, cpu, cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is 'cuda', but PyTorch sees no GPU; valid here: auto, cpu.")
    kind = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    if settings is None:
        settings = scaled(experiment, scale, kind)
    for name in changes:
        if name not in experiment.kinds:
            raise ValueError(
                f"{experiment.name} has no setting {name!r}; {nearest(name, experiment.kinds)}"
            )
    settings = dataclasses.replace(settings, **changes)
    check(experiment, settings)
    return settings, kind


def scaled(experiment: Experiment, scale: Scale, kind: str) -> Settings:
    """The settings of a scale, on "cpu" or "cuda"."""
    if scale == "chapter":
        return experiment.chapter
    reduced = experiment.reduced if kind == "cpu" else {}
    return dataclasses.replace(experiment.full, **reduced)


def nearest(name: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    """What may have been meant, and what there is."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"{meant}Valid: {', '.join(known)}."


def run(
    experiment: Experiment,
    settings: Settings,
    *,
    scale: Scale,
    device: str = "cpu",
    out: Path | None = None,
    executor: "Workers | None" = None,
    every: float = EVERY,
    progress: bool = False,
) -> Result:
    """Measure every point of the grid, and put the result together.

    Arguments:
        experiment: which.
        settings: checked.
        scale: whose settings they are, or were before they were changed.
        device: "cpu" or "cuda".
        out: the folder to write into, and to go on from; None: memory alone.
        executor: who computes the points; None: this process, one after the other.
        every: seconds between the checkpoints of a point.
        progress: whether to show a bar on stderr.

    Raises:
        Refused: `out` belongs to something else, or a file in it is damaged.
        OSError: `out` cannot be written to.
    """
    threads = torch.get_num_threads() if executor is None else executor.threads
    identity = _store.identity(experiment, settings, torch.device(device), threads)
    folder = None if out is None else _store.Folder(out, identity)
    if folder is not None and folder.open():
        return load(folder.path, experiment)
    began = time.monotonic()
    with contextlib.ExitStack() as stack_of:
        if folder is not None:
            stack_of.enter_context(folder.locked())
        grid = list(points(experiment, settings))
        found = [None if folder is None else folder.point(point) for point in grid]
        bar = stack_of.enter_context(_bar(experiment, len(grid), progress))
        bar.update(sum(cell is not None for cell in found))
        missing = [i for i, cell in enumerate(found) if cell is None]
        jobs = [Job(experiment, settings, grid[i], device, threads, out, every) for i in missing]
        if executor is None:
            cells = (_here(job, folder, bar) for job in jobs)
            done: Iterator[tuple[int, tuple[Arrays, float]]] = zip(missing, cells, strict=True)
        else:
            done = ((missing[i], cell) for i, cell in executor.results(jobs))
        for i, cell in done:
            found[i] = cell
            if folder is not None:
                folder.done(grid[i], *cell)
            bar.n = sum(cell is not None for cell in found)
            bar.refresh()
        cells_found = [cell for cell in found if cell is not None]
        arrays = stack(experiment, settings, [arrays for arrays, _ in cells_found])
        manifest = describe(experiment, settings, scale, identity, arrays)
        manifest["seconds"] = round(sum(seconds for _, seconds in cells_found), 3)
        manifest["wall_seconds"] = round(time.monotonic() - began, 3)
        if folder is not None:
            result, probe = Result(experiment, settings, arrays, {}), experiment.probe(settings)
            clock = time.monotonic()
            off = deviation(result, probe)
            manifest["probe"]["seconds"] = round(time.monotonic() - clock, 3)
            if not max(off.values()) <= probe.tolerance:
                raise RuntimeError(
                    f"{experiment.name}: computed again at {probe.point}, the arrays are off by "
                    f"{off}, relative to their greatest; valid is {probe.tolerance:g}. The points "
                    f"are kept in {folder.path}."
                )
            manifest = folder.finish(arrays, manifest)
    return Result(experiment, settings, arrays, manifest)


def load(path: Path, experiment: Experiment) -> Result:
    """A result from its folder.

    Raises:
        Refused: it is not there, is damaged or edited, or is that of another experiment.
    """
    manifest, arrays = _store.read(path)
    if manifest["experiment"] != experiment.name:
        raise _store.Refused(
            f"{path} holds a result of {manifest['experiment']!r}; valid: {experiment.name!r}."
        )
    settings = _store.from_json(experiment, manifest["identity"]["settings"])
    shape = [len(getattr(settings, axis)) for axis in experiment.axes]
    for name, array in arrays.items():
        if name not in experiment.arrays or list(array.shape[: len(shape)]) != shape:
            raise _store.Refused(
                f"{path}: the array {name} {array.shape} does not fit {experiment.name} as it is."
            )
    return Result(experiment, settings, arrays, manifest)


def verify(path: Path, experiment: Experiment) -> tuple[float, float]:
    """Check a result: its hashes, its manifest, and one point, computed again from the seed.

    Returns:
        The greatest deviation of that point, relative to the greatest of its array, and the seconds
        that it took.

    Raises:
        Refused: something does not agree; the sentence says what.
    """
    result = load(path, experiment)
    probe, kept = experiment.probe(result.settings), result.manifest["probe"]
    mine = {
        "settings": _store.to_json(probe.settings),
        "point": json.loads(json.dumps(probe.point)),
        "tolerance": probe.tolerance,
    }
    if mine != {name: kept.get(name) for name in mine}:
        raise _store.Refused(
            f"{path}: the manifest names another point to recompute than {experiment.name} does."
        )
    began = time.monotonic()
    off = deviation(result, probe)
    seconds = time.monotonic() - began
    worst = max(off, key=lambda name: off[name])
    if not off[worst] <= probe.tolerance:
        raise _store.Refused(
            f"{path}: recomputed at {probe.point}, {worst} is off by {off[worst]:.2g} of its "
            f"greatest; valid is {probe.tolerance:g}."
        )
    return off[worst], seconds


def deviation(result: Result, probe: Probe) -> dict[str, float]:
    """How far each array of a result is off at a point computed again, relative to its greatest."""
    again = result.experiment.measure(probe.settings, Work(torch.device("cpu")), **probe.point)
    kept = result.at(**probe.point)
    return {name: _off(kept[name], again[name]) for name in kept}


def _off(kept: NDArray[Any], again: NDArray[Any]) -> float:
    if kept.ndim != again.ndim or any(a > b for a, b in zip(again.shape, kept.shape, strict=True)):
        return math.inf
    corner = kept[tuple(slice(n) for n in again.shape)]
    if not again.size:
        return 0.0
    if corner.dtype.kind not in "fc":
        return 0.0 if np.array_equal(corner, again) else math.inf
    finite = np.isfinite(corner)
    if not np.array_equal(corner[~finite], again[~finite], equal_nan=True):
        return math.inf
    if not np.isfinite(again[finite]).all():
        return math.inf
    scale = float(np.abs(corner[finite]).max(initial=0.0)) or 1.0
    apart = np.subtract(corner, again, where=finite, out=np.zeros(corner.shape, corner.dtype))
    return float(np.abs(apart).max()) / scale


def describe(
    experiment: Experiment,
    settings: Settings,
    scale: Scale,
    identity: Mapping[str, Any],
    arrays: Arrays,
) -> dict[str, Any]:
    """The manifest of a result, but for times, files and digest."""
    commit, clean = _store.revision()
    probe = experiment.probe(settings)
    return {
        "format": _store.FORMAT,
        "experiment": experiment.name,
        "part": experiment.part,
        "question": experiment.question,
        "scale": scale,
        "reduced": changed(experiment.full, settings) if scale == "full" else {},
        "command": command(experiment, settings, scale, identity["machine"]),
        "seed": getattr(settings, "seed", None),
        "made": datetime.now(UTC).strftime("%Y-%m-%d"),
        "code": {"version": _store.version(), "revision": commit, "clean": clean},
        "identity": dict(identity),
        "axes": list(experiment.axes),
        "arrays": {
            name: {"shape": list(a.shape), "dtype": str(a.dtype), "what": experiment.arrays[name]}
            for name, a in arrays.items()
        },
        "probe": {
            "settings": _store.to_json(probe.settings),
            "point": probe.point,
            "tolerance": probe.tolerance,
        },
    }


def changed(there: Settings, here: Settings) -> dict[str, Any]:
    """The settings that differ, as JSON: [there, here]."""
    old, new = _store.to_json(there), _store.to_json(here)
    return {name: [old[name], new[name]] for name in new if old[name] != new[name]}


def command(
    experiment: Experiment, settings: Settings, scale: Scale, machine: Mapping[str, Any]
) -> str:
    """What to type to run these settings again."""
    device = machine["device"]
    words = ["plateaus", "run", spelled(experiment), "--scale", scale, "--device", device]
    if device == "cpu":
        words += ["--threads", str(machine["threads"])]
    default = scaled(experiment, scale, device)
    differences = changed(default, settings).items()
    return shlex.join([*words, *(f"{name}={_typed(new)}" for name, (_, new) in differences)])


def spelled(experiment: Experiment) -> str:
    """What the command calls it: its name, or file.py:NAME for one that is not the book's."""
    home = sys.modules[experiment.measure.__module__]
    names = [name for name, value in vars(home).items() if value is experiment]
    if home.__name__.startswith("plateaus.") or not names:
        return experiment.name
    return f"{home.__name__}.py:{names[0]}"


def _typed(value: Any) -> str:
    """A setting as the command takes it."""
    if isinstance(value, list):
        nested = any(isinstance(one, list) for one in value)
        return (";" if nested else ",").join(map(_typed, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


class _Bar(tqdm):
    """Rate, remaining time and current loss, on stderr; without processes or threads of its own."""

    monitor_interval = 0
    _lock = threading.RLock()


def _bar(experiment: Experiment, total: int, progress: bool) -> _Bar:
    return _Bar(
        total=total,
        disable=not progress,
        desc=experiment.name,
        unit="point",
        dynamic_ncols=True,
        bar_format="{desc} {percentage:3.0f} % |{bar}| {n:.2f} of {total} points "
        "[{elapsed}, {remaining} left, {rate_fmt}{postfix}]",
    )


# One point -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """A point to measure."""

    experiment: Experiment
    settings: Settings
    point: Point
    device: str
    threads: int
    out: Path | None
    every: float


def measured(job: Job) -> tuple[Arrays, float]:
    """Measure a point in a worker: its arrays, and the seconds it took.

    Checkpoints are kept where the folder of the run is in reach.
    """
    torch.set_num_threads(job.threads)
    folder = None
    if job.out is not None and (job.out / "run.json").exists():
        identity = _store.read_json(job.out / "run.json")
        folder = _store.Folder(job.out, identity)
    return _here(job, folder, None)


def _here(job: Job, folder: _store.Folder | None, bar: _Bar | None) -> tuple[Arrays, float]:
    """Measure a point in this process, going on from what is kept."""
    kept = None if folder is None else folder.state(job.point)
    state, behind = kept if kept is not None else (None, 0.0)
    began = last = time.monotonic()
    wait = job.every
    before, shown = (0.0 if bar is None else float(bar.n)), 0.0

    def keep(make: Callable[[], dict[str, Any]]) -> None:
        nonlocal last, wait
        now = time.monotonic()
        if folder is not None and now - last >= wait:
            folder.keep(job.point, make(), behind + now - began)
            last = time.monotonic()
            wait = max(job.every, 9 * (last - now)) if job.every else 0.0  # a tenth of all time

    def progress(fraction: float, loss: float | None) -> None:
        nonlocal shown
        if bar is not None and time.monotonic() - shown > 0.2:
            bar.n = before + min(max(fraction, 0.0), 1.0)
            if loss is not None:
                bar.set_postfix(loss=f"{loss:.3g}", refresh=False)
            bar.refresh()
            shown = time.monotonic()

    with claimed(job.device) as device:
        work = Work(device, state, keep, progress)
        arrays = job.experiment.measure(job.settings, work, **job.point)
    return arrays, behind + time.monotonic() - began


@contextlib.contextmanager
def claimed(kind: str, count: int | None = None) -> Iterator[torch.device]:
    """A device of one's own: the CPU, or a GPU that no other process of this user has claimed.

    Waits until one is free.
    """
    if kind == "cpu":
        yield torch.device("cpu")
        return
    count = torch.cuda.device_count() if count is None else count
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all").replace(",", "-")
    names = [f"plateaus-{os.getuid()}-cuda-{visible}-{index}.lock" for index in range(count)]
    with contextlib.ExitStack() as files:
        locks = [files.enter_context(open(Path(tempfile.gettempdir()) / n, "w")) for n in names]
        while True:
            for index, lock in enumerate(locks):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue
                yield torch.device("cuda", index)
                return
            time.sleep(0.05)


# Many points ---------------------------------------------------------------------------------


class Workers:
    """An executor, and what it takes to lose a worker of it.

    Attributes:
        threads: of each worker.
    """

    def __init__(self, make: Callable[[], Executor], threads: int) -> None:
        """`make` gives an executor, and a new one where the last one broke."""
        self._make, self.threads = make, threads

    def results(self, jobs: Sequence[Job]) -> Iterator[tuple[int, tuple[Arrays, float]]]:
        """The number of each job and what it measured, as they come.

        The jobs of a worker that died are handed out again, twice at most.

        Raises:
            RuntimeError: workers died three times, or a measurement failed.
        """
        left = set(range(len(jobs)))
        for _ in range(_ATTEMPTS):
            broken = False
            with self._make() as executor:
                futures = {executor.submit(measured, jobs[i]): i for i in sorted(left)}
                for future in as_completed(list(futures)):
                    i = futures.pop(future)
                    try:
                        cell = future.result()
                    except BrokenExecutor:
                        broken = True
                        continue
                    except Exception as error:
                        for other in futures:
                            other.cancel()
                        raise RuntimeError(
                            f"the measurement at {jobs[i].point} failed, "
                            f"{type(error).__name__}: {error}"
                        ) from error
                    left.discard(i)
                    del future  # while one is held, Dask replaces what dies with its worker
                    yield i, cell
            if not broken:
                return
        lost = [jobs[i].point for i in sorted(left)]
        raise RuntimeError(
            f"workers died {_ATTEMPTS} times, most often for want of memory; not done: {lost}."
        )


def processes(count: int, threads: int, files: Sequence[Path] = ()) -> Workers:
    """Local worker processes; `files` are modules of one's own that they need."""
    context = multiprocessing.get_context("spawn")
    paths = [str(path.resolve()) for path in files]
    return Workers(
        lambda: ProcessPoolExecutor(
            count, mp_context=context, initializer=_prepare, initargs=(paths,)
        ),
        threads,
    )


def _prepare(files: Sequence[str]) -> None:
    for file in files:
        module(Path(file))


@contextlib.contextmanager
def cluster(address: str, threads: int, files: Sequence[Path] = ()) -> Iterator[Workers]:
    """The workers of a Dask cluster.

    Arguments:
        address: of its scheduler, such as tcp://node1:8786.
        threads: that a point may use on its worker.
        files: modules of one's own that the workers need.

    Raises:
        ConnectionError: no scheduler answers there within 5 s, it has no workers, or one of them
            has no such package as this one.
        ImportError: Dask is not installed.
    """
    try:
        from distributed import Client
    except ImportError:
        raise ImportError(
            "a cluster needs Dask, which is not installed: pip install 'plateaus[cluster]'."
        ) from None
    try:
        try:
            client = Client(address, timeout=5, set_as_default=False)
        except AssertionError:  # on a machine that stands still, Dask's thread may start too late
            client = Client(address, timeout=5, set_as_default=False)
    except (OSError, ValueError, TimeoutError, AssertionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConnectionError(
            f"no Dask scheduler answers at {address} within 5 s ({reason})."
        ) from None
    with client:
        workers = list(client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise ConnectionError(f"the cluster at {address} has no workers; start one, and retry.")
        # What a worker without the package can still be asked is Python's own.
        for ask, wanted in (
            (metadata.version, _store.version()),
            (_store.package, _store.package()),
        ):
            arguments = ("plateaus",) if ask is metadata.version else ()
            for worker, found in client.run(ask, *arguments, on_error="return").items():
                if found != wanted:
                    what = "it has other code" if isinstance(found, str) else f"{found}"
                    raise ConnectionError(
                        f"the worker {worker} does not have plateaus as it is here ({what}); "
                        "install the same revision there, and start it again."
                    )
        for file in files:
            client.upload_file(str(file))
        yield Workers(lambda: client.get_executor(pure=False), threads)


def module(path: Path) -> Any:
    """A Python file as a module of its name, also for what is pickled by reference.

    Raises:
        ValueError: there is no such file, or another module has its name.
    """
    if not path.is_file():
        raise ValueError(f"{path} is no file; valid: a Python file, or the name of an experiment.")
    there = sys.modules.get(path.stem)
    if there is not None:
        if Path(getattr(there, "__file__", None) or "").resolve() == path.resolve():
            return there
        raise ValueError(f"{path} has the name of a module in use, {path.stem!r}; rename the file.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = found
    spec.loader.exec_module(found)
    return found


def local(kind: str, threads: int) -> int:
    """How many local workers there should be: one a GPU, or what the cores allow."""
    if kind == "cuda":
        return torch.cuda.device_count()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // threads)
