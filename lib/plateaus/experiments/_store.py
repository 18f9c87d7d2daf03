"""Files that are whole or not there, and say what they are: checkpoints, points, results.

A folder that a run writes into holds

    run.json        what is being run: settings, code, device, threads, libraries (`identity`)
    points/*.done   the points of the grid that are done: a sha256, and an npz
    points/*.pt     what a point that is under way goes on from: a sha256, and what torch.save wrote
    result.npz      all points, stacked, and
    manifest.json   how they came about; with these two the other files are gone

Each is written beside its place and moved there in one step, so a run that is killed leaves the
old file or the new one. Checkpoints and points carry the digest of `run.json`, the manifest that of
`result.npz` and its own: what has been damaged, edited or brought from elsewhere is refused.
"""

import contextlib
import fcntl
import hashlib
import importlib.metadata
import inspect
import io
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import plateaus
from plateaus.experiments._experiment import Arrays, Experiment, Point, Settings, fits

FORMAT = 1
LIBRARIES = ("torch", "numpy", "scipy", "numba", "sympy")


class Refused(ValueError):
    """A file or a folder that cannot be what it should be; the sentence says why."""


def write(path: Path, data: bytes) -> None:
    """Put a file in place in one step, or leave what was there.

    Raises:
        OSError: there is no space left, or the folder cannot be written to.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise OSError(
            error.errno,
            f"{path.name} ({len(data) / 1e6:.1f} MB) could not be written: {error.strerror}; what "
            "was written before is whole, and the same command goes on from there",
            str(path.parent),
        ) from None
    with contextlib.suppress(OSError):  # the folder's entry, too; not every system can
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def dump(value: Any) -> bytes:
    """JSON of one fixed form, for digests and for readers."""
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def digest(value: Any) -> str:
    """The sha256 of bytes, or of a value's JSON."""
    return hashlib.sha256(value if isinstance(value, bytes) else dump(value)).hexdigest()


def npz(arrays: Mapping[str, Any]) -> bytes:
    """Arrays as a compressed npz: the same arrays, the same bytes."""
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def read_npz(data: bytes, path: Path) -> Arrays:
    """The arrays of an npz.

    Raises:
        Refused: it is damaged.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # damaged bytes may raise anything
        raise Refused(f"{path} is damaged ({error}); delete it and run it again.") from None


# What is being run ---------------------------------------------------------------------------


def source(experiment: Experiment) -> str:
    """A digest of the code: the package's modules, and the file of an experiment of one's own."""
    own = inspect.getsourcefile(experiment.measure)
    if own is None or Path(own).is_relative_to(Path(plateaus.__file__).parent):
        return package()
    return digest([package(), digest(Path(own).read_bytes())])


def package() -> str:
    """A digest of the package's modules."""
    root = Path(plateaus.__file__).parent
    files = {str(path.relative_to(root)): path for path in root.rglob("*.py")}
    return digest({name: digest(files[name].read_bytes()) for name in sorted(files)})


def revision() -> tuple[str | None, bool | None]:
    """The commit of the code in hand, and whether its files were as committed; None if unknown."""
    root = Path(plateaus.__file__).resolve().parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() in root.parents:
            tracked = git("ls-files", "--error-unmatch", "__init__.py")
            changed = git("status", "--porcelain", "--", ".")
            return (git("rev-parse", "HEAD"), not changed) if tracked else (None, None)
    except (OSError, subprocess.CalledProcessError):
        pass
    with contextlib.suppress(importlib.metadata.PackageNotFoundError, ValueError):
        text = importlib.metadata.distribution("plateaus").read_text("direct_url.json")
        found = json.loads(text or "{}").get("vcs_info", {}).get("commit_id")
        return found, True if found else None
    return None, None


def version() -> str:
    """That of the package."""
    return importlib.metadata.version("plateaus")


def machine(device: torch.device, threads: int) -> dict[str, Any]:
    """Where something is computed, as far as bits may depend on it."""
    gpu = device.type == "cuda"
    return {
        "device": device.type,
        "name": torch.cuda.get_device_name(device) if gpu else _processor(),
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def libraries() -> dict[str, str]:
    """The versions that results may depend on."""
    found = {"python": platform.python_version()}
    found.update({name: importlib.metadata.version(name) for name in LIBRARIES})
    return found


def identity(
    experiment: Experiment, settings: Settings, device: torch.device, threads: int
) -> dict[str, Any]:
    """What two runs must share to be one: all that their bits depend on."""
    return {
        "format": FORMAT,
        "experiment": experiment.name,
        "settings": to_json(settings),
        "source": source(experiment),
        "machine": machine(device, threads),
        "libraries": libraries(),
    }


def difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """In which way two identities differ, in words; empty if they don't."""
    if found.get("experiment") != wanted["experiment"]:
        return f"of the experiment {found.get('experiment')!r}, not {wanted['experiment']!r}"
    old, new = found.get("settings", {}), wanted["settings"]
    parts = [
        f"{n} = {_short(old.get(n))}, not {_short(new[n])}" for n in new if old.get(n) != new[n]
    ]
    if parts:
        return "with " + "; ".join(parts)
    if found.get("source") != wanted["source"]:
        return "made by other code"
    for group in ("machine", "libraries"):
        old, new = found.get(group, {}), wanted[group]
        parts = [
            f"{name} {old.get(name)}, not {new[name]}" for name in new if old.get(name) != new[name]
        ]
        if parts:
            return "made with " + "; ".join(parts)
    return "" if found == wanted else "of another format"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "…"


def to_json(settings: Settings) -> dict[str, Any]:
    """Settings by name, tuples as lists."""
    return {name: _listed(getattr(settings, name)) for name in settings.__dataclass_fields__}


def _listed(value: Any) -> Any:
    return [_listed(one) for one in value] if isinstance(value, tuple) else value


def from_json(experiment: Experiment, values: Mapping[str, Any]) -> Settings:
    """Settings from their JSON.

    Raises:
        Refused: they are not those of this experiment.
    """
    kinds = experiment.kinds
    if set(values) != set(kinds):
        odd = sorted(set(values) ^ set(kinds))
        raise Refused(f"the settings {', '.join(odd)} do not fit {experiment.name} as it is now.")
    tuples = {name: _tupled(value) for name, value in values.items()}
    for name, value in tuples.items():
        if not fits(value, kinds[name]):
            raise Refused(f"{name} is {value!r}, which {experiment.name} does not take.")
    return type(experiment.full)(**tuples)


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


# The folder of a run -------------------------------------------------------------------------


class Folder:
    """What a run has written, and writes."""

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        """For a run with this identity; nothing is touched yet."""
        self.path, self.identity, self.digest = path, identity, digest(identity)

    def open(self) -> bool:
        """Take up or begin the run; whether its result is already there.

        Raises:
            Refused: the folder belongs to another run, or to something else.
            OSError: it cannot be written to.
        """
        manifest = self.path / "manifest.json"
        for file, found in ((manifest, "a result"), (self.path / "run.json", "an unfinished run")):
            if file.exists():
                kept = read_json(file)
                kept = kept.get("identity", {}) if file == manifest else kept
                if why := difference(kept, self.identity):
                    raise Refused(
                        f"{self.path} holds {found} {why}; give another --out, or delete it."
                    )
                return file == manifest
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise Refused(f"{self.path} holds something else; give a new or empty folder as --out.")
        (self.path / "points").mkdir(parents=True, exist_ok=True)
        write(self.path / "run.json", dump(self.identity))
        return False

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second run out of the folder.

        Raises:
            Refused: there is one.
        """
        with (self.path / "run.json").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Refused(f"another run is writing into {self.path}; wait for it.") from None
            yield

    def name(self, point: Point) -> str:
        """The stem of a point's files."""
        return digest(point)[:16]

    def point(self, point: Point) -> tuple[Arrays, float] | None:
        """The arrays of a point and the seconds it took; None if it is not done.

        Raises:
            Refused: the file is damaged, or that of another run.
        """
        path = self.path / "points" / f"{self.name(point)}.done"
        if not path.exists():
            return None
        arrays = read_npz(_unsealed(path), path)
        label = json.loads(str(arrays.pop("label", "{}")))
        self._same(path, label, point)
        return arrays, float(label["seconds"])

    def done(self, point: Point, arrays: Arrays, seconds: float) -> None:
        """Keep the arrays of a point, and let go of its checkpoint."""
        label = {"run": self.digest, "point": point, "seconds": seconds}
        path = self.path / "points" / f"{self.name(point)}.done"
        write(path, _sealed(npz({**arrays, "label": np.array(json.dumps(label))})))
        path.with_suffix(".pt").unlink(missing_ok=True)

    def state(self, point: Point) -> tuple[dict[str, Any], float] | None:
        """What a point goes on from, and the seconds behind it; None if it starts anew.

        Raises:
            Refused: the file is damaged, or that of another run.
        """
        path = self.path / "points" / f"{self.name(point)}.pt"
        if not path.exists():
            return None
        kept = torch.load(io.BytesIO(_unsealed(path)), map_location="cpu", weights_only=True)
        self._same(path, kept, point)
        return kept["state"], float(kept["seconds"])

    def keep(self, point: Point, state: Mapping[str, Any], seconds: float) -> None:
        """Keep what a point goes on from."""
        file = io.BytesIO()
        label = {"run": self.digest, "point": point, "seconds": seconds, "state": state}
        torch.save(label, file)
        write(self.path / "points" / f"{self.name(point)}.pt", _sealed(file.getvalue()))

    def finish(self, arrays: Arrays, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Put result and manifest in place, and clear away the rest."""
        data = npz(arrays)
        whole = dict(manifest)
        whole["files"] = {"result.npz": {"sha256": digest(data), "bytes": len(data)}}
        whole["digest"] = digest(whole)
        write(self.path / "result.npz", data)
        write(self.path / "manifest.json", dump(whole))
        for path in (*(self.path / "points").iterdir(), self.path / "run.json"):
            path.unlink()
        (self.path / "points").rmdir()
        return whole

    def _same(self, path: Path, label: Mapping[str, Any], point: Point) -> None:
        if label.get("run") != self.digest or label.get("point") != json.loads(json.dumps(point)):
            raise Refused(
                f"{path} comes from other code, settings or another device; delete it, and the "
                "point starts anew."
            )


def _sealed(data: bytes) -> bytes:
    """Bytes behind their sha256."""
    return hashlib.sha256(data).digest() + data


def _unsealed(path: Path) -> bytes:
    """What a file holds behind its sha256.

    Raises:
        Refused: the two do not fit.
    """
    data = path.read_bytes()
    if data[:32] != hashlib.sha256(data[32:]).digest():
        raise Refused(f"{path} is damaged; delete it, and the point starts anew.")
    return data[32:]


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        Refused: it is not there, or damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused(f"{path} is not there.") from None
    except (ValueError, OSError) as error:
        raise Refused(f"{path} is damaged ({error}).") from None
    if not isinstance(found, dict):
        raise Refused(f"{path} is damaged: it is no JSON object.")
    return found


def read(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Manifest and arrays of a result's folder, checked against each other.

    Raises:
        Refused: a file is missing, damaged, edited, or does not belong there.
    """
    manifest = read_json(path / "manifest.json")
    if manifest.get("format") != FORMAT:
        raise Refused(
            f"{path / 'manifest.json'} has format {manifest.get('format')!r}; valid here: {FORMAT}."
        )
    body = {name: value for name, value in manifest.items() if name != "digest"}
    if digest(body) != manifest.get("digest"):
        raise Refused(f"{path / 'manifest.json'} has been edited: its digest does not fit it.")
    file = path / "result.npz"
    if not file.exists():
        raise Refused(f"{file} is not there.")
    data = file.read_bytes()
    if digest(data) != manifest["files"]["result.npz"]["sha256"]:
        raise Refused(f"{file} has been damaged or edited: its sha256 is not the manifest's.")
    arrays = read_npz(data, file)
    found = {name: [list(a.shape), str(a.dtype)] for name, a in arrays.items()}
    if found != {name: [a["shape"], a["dtype"]] for name, a in manifest["arrays"].items()}:
        raise Refused(f"{file} does not hold the arrays that its manifest names.")
    return manifest, arrays
