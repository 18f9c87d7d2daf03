"""The experiments behind the book's claims: run, interrupt, resume, spread over machines, verify.

The command `plateaus` and the chapters call the same functions: `run` and `sweep` measure, `load`
reads a stored result, and what comes back is a `Result`. An experiment of one's own is a frozen
dataclass of settings and a function; `_experiment` shows one.

    >>> run("staircase", beta=(0.8,), P=16).findings
    >>> load("frontier")["loss"]
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plateaus
from plateaus.experiments import _run, _store
from plateaus.experiments._experiment import (
    Arrays,
    Experiment,
    Finding,
    Point,
    Probe,
    Result,
    Settings,
    Work,
    points,
)
from plateaus.experiments._run import EVERY, Device, Scale
from plateaus.experiments._store import Refused
from plateaus.experiments.ablation import ABLATION
from plateaus.experiments.adam import ADAM
from plateaus.experiments.construction_error import CONSTRUCTION_ERROR
from plateaus.experiments.curriculum import CURRICULUM
from plateaus.experiments.discretization import DISCRETIZATION
from plateaus.experiments.emergence_times import EMERGENCE_TIMES
from plateaus.experiments.frontier import FRONTIER
from plateaus.experiments.frontier_sgd import FRONTIER_SGD
from plateaus.experiments.hard_examples import HARD_EXAMPLES
from plateaus.experiments.horizon import HORIZON
from plateaus.experiments.identification import IDENTIFICATION
from plateaus.experiments.irrelevant import IRRELEVANT
from plateaus.experiments.losses import LOSSES
from plateaus.experiments.multitask import MULTITASK
from plateaus.experiments.parity import PARITY
from plateaus.experiments.single_index import SINGLE_INDEX
from plateaus.experiments.staircase import STAIRCASE
from plateaus.experiments.threshold import THRESHOLD
from plateaus.experiments.width import WIDTH

__all__ = [
    "EXPERIMENTS",
    "Arrays",
    "Experiment",
    "Finding",
    "Point",
    "Probe",
    "Refused",
    "Result",
    "Work",
    "cite",
    "load",
    "points",
    "results",
    "run",
    "stored",
    "sweep",
    "verify",
]

EXPERIMENTS: dict[str, Experiment] = {
    one.name: one
    for one in (
        PARITY,
        MULTITASK,
        CONSTRUCTION_ERROR,
        CURRICULUM,
        THRESHOLD,
        ADAM,
        ABLATION,
        HARD_EXAMPLES,
        IDENTIFICATION,
        SINGLE_INDEX,
        EMERGENCE_TIMES,
        IRRELEVANT,
        STAIRCASE,
        WIDTH,
        FRONTIER,
        FRONTIER_SGD,
        DISCRETIZATION,
        HORIZON,
        LOSSES,
    )
}
"""The book's experiments by name."""


def find(name: str | Experiment) -> Experiment:
    """An experiment: itself, by its name, or as file.py:NAME.

    Raises:
        ValueError: there is none.
    """
    if isinstance(name, Experiment):
        return name
    if ":" in name:
        path, attribute = name.rsplit(":", 1)
        found = getattr(_run.module(Path(path)), attribute, None)
        if not isinstance(found, Experiment):
            raise ValueError(f"{path} has no experiment {attribute!r}; valid: an Experiment in it.")
        return found
    if name not in EXPERIMENTS:
        raise ValueError(f"no experiment {name!r}; {_run.nearest(name, EXPERIMENTS)}")
    return EXPERIMENTS[name]


def run(
    experiment: str | Experiment,
    *,
    scale: Scale = "chapter",
    device: Device = "auto",
    out: str | Path | None = None,
    every: float = EVERY,
    progress: bool = False,
    settings: Settings | None = None,
    **changes: Any,
) -> Result:
    """Measure every point of an experiment's grid in this process, one after the other.

    Same settings, device and number of threads: same bits, also where the run was killed at any
    moment and started again with the same `out`.

    Arguments:
        experiment: its name, or an `Experiment` of one's own.
        scale: "chapter" (seconds on two cores) or "full" (for a GPU; where there is none, the
            settings that fit ten minutes of two cores).
        device: "cpu", "cuda", or "auto": a GPU if there is one.
        out: a folder for result, manifest and checkpoints; a run that was begun there goes on.
            None: nothing is written.
        every: seconds between checkpoints.
        progress: whether to show a bar on stderr.
        settings: instead of those of `scale`.
        changes: settings that differ, by name, such as `seed=1` or `beta=(0.7,)`.

    Raises:
        ValueError: an experiment, scale, device or setting that is not there, or a value that is
            not valid.
        Refused: `out` holds something else, or a file in it is damaged (a ValueError).
        OSError: `out` cannot be written to.
    """
    found = find(experiment)
    chosen, kind = _run.configured(found, scale=scale, device=device, settings=settings, **changes)
    return _run.run(
        found, chosen, scale=scale, device=kind, out=_path(out), every=every, progress=progress
    )


def sweep(
    experiment: str | Experiment,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    threads: int = 1,
    files: Sequence[str | Path] = (),
    scale: Scale = "chapter",
    device: Device = "auto",
    out: str | Path | None = None,
    every: float = EVERY,
    progress: bool = False,
    settings: Settings | None = None,
    **changes: Any,
) -> Result:
    """Measure the points of the grid side by side: in local processes, or on a Dask cluster.

    A point is computed once, and again only if its worker died. A sweep that was cut and is started
    again with the same `out` computes what is missing. On GPUs, each point has one for itself.

    Arguments:
        experiment: as `run` takes it.
        workers: local processes; None: one a GPU, or as many as the cores allow.
        cluster: the address of a Dask scheduler, such as tcp://node1:8786, in place of them.
        threads: of each worker. The last bits of a result may depend on it.
        files: Python files of one's own that the workers need.
        scale: as `run` takes it, and so
        device: is this,
        out: and this; workers on other machines keep checkpoints only where they reach it,
        every: and this,
        progress: and this,
        settings: and this,
        changes: and these.

    Raises:
        ValueError, Refused, OSError: as `run`.
        ConnectionError: the cluster does not answer within seconds, has no workers, or one of them
            has not this package as it is here (an OSError).
        RuntimeError: workers died again and again, or a measurement failed.
    """
    if threads < 1 or (workers is not None and workers < 1):
        raise ValueError(f"workers is {workers}, threads {threads}; valid are integers from 1.")
    found = find(experiment)
    chosen, kind = _run.configured(found, scale=scale, device=device, settings=settings, **changes)
    paths = [Path(file) for file in files]
    arguments: dict[str, Any] = {
        "scale": scale,
        "device": kind,
        "out": _path(out),
        "every": every,
        "progress": progress,
    }
    if cluster is not None:
        with _run.cluster(cluster, threads, paths) as pool:
            return _run.run(found, chosen, executor=pool, **arguments)
    count = workers or _run.local(kind, threads)
    return _run.run(found, chosen, executor=_run.processes(count, threads, paths), **arguments)


def results() -> Path:
    """The folder of the stored results: in the package, or in the repository that it stands in."""
    package = Path(plateaus.__file__).parent
    return package / "results" if (package / "results").is_dir() else package.parents[1] / "results"


def stored() -> list[Path]:
    """The folders of all stored results."""
    return sorted(file.parent for file in results().glob("*/manifest.json"))


def load(experiment: str | Experiment, path: str | Path | None = None) -> Result:
    """A stored result, checked against its hashes.

    Arguments:
        experiment: its name, or an `Experiment` of one's own.
        path: the folder; None: that of the book's result.

    Raises:
        ValueError: there is no such experiment.
        Refused: there is no result, or it is damaged or edited (a ValueError).
    """
    found = find(experiment)
    return _run.load(results() / found.name if path is None else Path(path), found)


def verify(path: str | Path, experiment: str | Experiment | None = None) -> tuple[float, float]:
    """Check a result: its hashes, its manifest, and one point, computed again from the seed.

    Arguments:
        path: its folder.
        experiment: whose; None: that which the manifest names.

    Returns:
        How far the point is off, relative to the greatest of its array, and the seconds it took.

    Raises:
        Refused: something does not agree; the sentence says what.
    """
    folder = Path(path)
    if experiment is None:
        experiment = str(_store.read_json(folder / "manifest.json").get("experiment"))
        if experiment not in EXPERIMENTS:
            raise Refused(f"{folder} is of the experiment {experiment!r}, which is not known here.")
    return _run.verify(folder, find(experiment))


def cite() -> str:
    """How to cite the edition in hand, as a sentence and as BibTeX."""
    version, (commit, clean) = _store.version(), _store.revision()
    edition = f"version {version}"
    if commit:
        edition += f", commit {commit[:12]}" + ("" if clean else ", with changes")
    year = plateaus.__year__
    return f"""\
{plateaus.__authors__} ({year}). {plateaus.__title__}. {edition[0].upper() + edition[1:]}.

@book{{plateaus,
  title  = {{{plateaus.__title__}}},
  author = {{{{{plateaus.__authors__}}}}},
  year   = {{{year}}},
  note   = {{{edition[0].upper() + edition[1:]}}},
}}

For the results themselves, cite the papers that the book accompanies:
  Wang, Nichani, Bietti, Damian, Hsu, Lee, Wu. Learning Compositional Functions with Transformers
  from Easy-to-Hard Data. COLT 2025. arXiv:2505.23683.
  Ren, Nichani, Wu, Lee. Emergence and Scaling Laws in SGD Learning of Shallow Neural Networks.
  NeurIPS 2025. arXiv:2504.19983.
"""


def _path(out: str | Path | None) -> Path | None:
    return None if out is None else Path(out).resolve()
