"""Run and sweep: the grid, settings, folders that belong to something else, workers that die."""

import json
import os
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from own import OWN, Settings

from plateaus.experiments import (
    EXPERIMENTS,
    Experiment,
    Probe,
    Refused,
    _run,
    _store,
    load,
    run,
    sweep,
    verify,
)

FLOW = {"engine": ("flow",)}


class Cut(Exception):
    """What a run is stopped with."""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class Small:
    """Settings of every type."""

    x: tuple[int, ...] = (1, 2)
    y: tuple[float, ...] = (0.5,)
    pairs: tuple[tuple[int, int], ...] = ((4, 2), (4, 4))
    text: str | None = None
    on: bool = True
    seed: int = 0


def product(s, work, *, x, y):
    return {"z": np.array([x * y, s.seed]), "pi": np.float64(3.0)}


def small(**changes):
    fields = {
        "name": "small",
        "part": "tests",
        "question": "?",
        "chapter": Small(),
        "full": Small(x=(1, 2, 3), y=(0.5, 1.5)),
        "axes": ("x", "y"),
        "measure": product,
        "findings": lambda result: [],
        "probe": lambda s: Probe(s, {"x": s.x[-1], "y": s.y[0]}, 1e-12),
        "arrays": {"z": "", "pi": ""},
        "reduced": {"y": (2.5, 3.5)},
    }
    return Experiment(**{**fields, **changes})


def test_the_grid_comes_first():
    result = run(small(), x=(1, 2, 3), y=(0.5, 1.5))
    assert result["z"].shape == (3, 2, 2)
    np.testing.assert_array_equal(result["z"][..., 0], np.outer([1, 2, 3], [0.5, 1.5]))
    assert result["pi"].shape == (3, 2)
    np.testing.assert_array_equal(result.at(y=1.5)["z"][:, 0], [1.5, 3, 4.5])
    assert result.at(x=2, y=0.5)["z"].tolist() == [1.0, 0.0]


def test_a_seed_fixes_everything():
    first, again = run(OWN, size=1), run(OWN, size=1)
    np.testing.assert_array_equal(first["loss"], again["loss"])
    other = run(OWN, size=1, seed=1)
    assert not np.isclose(first["loss"], other["loss"], rtol=1e-9).any()


def test_full_is_reduced_where_there_is_no_gpu():
    s, device = _run.configured(small(), scale="full", device="cpu")
    assert (s.y, s.x, device) == ((2.5, 3.5), (1, 2, 3), "cpu")
    # What is asked for is done.
    assert _run.configured(small(), scale="full", device="cpu", y=(9.0,))[0].y == (9.0,)
    result = run(small(), scale="full", device="cpu")
    assert result.manifest["scale"] == "full"
    assert result.manifest["reduced"] == {"y": [[0.5, 1.5], [2.5, 3.5]]}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"x": 3}, r"small: x is 3; valid: integers, with commas between them\."),
        ({"x": ()}, r"small: x is \(\); valid for an axis of the grid: one or more values"),
        ({"x": (1, 1)}, r"small: x is \(1, 1\); valid for an axis"),
        ({"on": 1}, r"small: on is 1; valid: true or false\."),
        ({"text": 2}, r"small: text is 2; valid: a text or none\."),
        ({"pairs": ((1, 2, 3),)}, r"small: pairs is .*; valid: "),
        ({"sed": 1}, r"small has no setting 'sed'; did you mean 'seed'\? Valid: x, y, pairs, "),
        ({"zzzz": 1}, r"small has no setting 'zzzz'; Valid: x, y, "),
        ({"scale": "half"}, r"scale is 'half'; valid: chapter, full\."),
        ({"device": "tpu"}, r"device is 'tpu'; valid: auto, cpu, cuda\."),
        ({"settings": Settings()}, r"settings are a Settings; valid for small is Small\."),
    ],
)
def test_bad_settings(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        run(small(), **arguments)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_gpu_that_is_not_there():
    with pytest.raises(ValueError, match="PyTorch sees no GPU; valid here: auto, cpu"):
        run(small(), device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_a_gpu():
    result = run(OWN, size=1, device="cuda")
    assert result.manifest["identity"]["machine"]["device"] == "cuda"
    cpu = run(OWN, size=1, device="cpu")
    np.testing.assert_allclose(result.at(engine="flow")["loss"], cpu.at(engine="flow")["loss"])


def test_an_unknown_experiment():
    with pytest.raises(ValueError, match=r"no experiment 'stairs'; did you mean 'staircase'\?"):
        run("stairs")


def test_points_that_do_not_fit_together():
    def ragged(s, work, *, x, y):
        return {"z": np.zeros(x), "pi": np.float64(3.0)}

    with pytest.raises(ValueError, match=r"small measured .* at \{'x': 2, 'y': 0.5\}; valid is"):
        run(small(measure=ragged))
    with pytest.raises(ValueError, match="small measured z, pi, and describes z; valid"):
        run(small(arrays={"z": ""}))


def test_what_is_stored_is_what_was_measured(tmp_path):
    out = tmp_path / "out"
    result = run(OWN, out=out, size=1, **FLOW)
    again = load(OWN, out)
    np.testing.assert_array_equal(again["loss"], result["loss"])
    assert again.settings == result.settings == replace(Settings(), size=1, **FLOW)
    assert again.findings == result.findings
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["command"] == (
        "plateaus run own.py:OWN --scale chapter --device cpu --threads 1 engine=flow size=1"
    )
    assert manifest["identity"]["machine"]["threads"] == 1
    assert manifest["identity"]["libraries"]["torch"] == torch.__version__
    assert manifest["seconds"] > 0
    assert 0 < manifest["probe"]["seconds"] < 10
    off, seconds = verify(out, OWN)
    assert off <= 1e-6
    assert seconds < 10


def test_a_finished_run_is_not_run_again(tmp_path):
    log = tmp_path / "log"
    for _ in range(2):
        run(OWN, out=tmp_path / "out", size=1, log=str(log), **FLOW)
    assert len(log.read_text().splitlines()) == 2


def test_an_interrupted_run_computes_what_is_missing(tmp_path, monkeypatch):
    log, out = tmp_path / "log", tmp_path / "out"
    settings = {"size": 1, "log": str(log), "engine": ("flow", "train")}
    whole = run(OWN, **settings)
    log.unlink()
    done = _store.Folder.done

    def cut(self, point, *rest):
        done(self, point, *rest)
        if point == {"engine": "flow", "run": 1}:
            raise Cut

    monkeypatch.setattr(_store.Folder, "done", cut)
    with pytest.raises(Cut):
        run(OWN, out=out, **settings)
    assert len(log.read_text().splitlines()) == 2
    monkeypatch.setattr(_store.Folder, "done", done)
    again = run(OWN, out=out, **settings)
    points = [line.split()[:2] for line in log.read_text().splitlines()]
    grid = [[engine, run] for engine in settings["engine"] for run in "01"]
    assert points == grid
    np.testing.assert_array_equal(again["loss"], whole["loss"])
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "result.npz"]


def test_a_sweep_computes_what_an_interrupted_one_left(tmp_path, monkeypatch):
    log, out = tmp_path / "log", tmp_path / "out"
    arguments = {"size": 1, "log": str(log), "engine": ("flow",), "run": (0, 1, 2), "out": out}
    done = _store.Folder.done

    def cut(self, point, *rest):
        done(self, point, *rest)
        if point["run"] == 1:
            raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(_store.Folder, "done", cut)
        with pytest.raises(Cut):
            run(OWN, **arguments)
    sweep(OWN, workers=1, files=[Path(__file__).parent / "own.py"], **arguments)
    assert [line.split()[1] for line in log.read_text().splitlines()] == ["0", "1", "2"]


def begun(out, monkeypatch):
    """Leave an unfinished run in a folder, with a point done and a checkpoint."""
    keep, kept = _store.Folder.keep, []

    def cut(self, point, *rest):
        keep(self, point, *rest)
        kept.append(point["run"])
        if kept.count(1) == 2:
            raise Cut

    monkeypatch.setattr(_store.Folder, "keep", cut)
    with pytest.raises(Cut):
        run(OWN, out=out, size=2, every=0, engine=("train",))
    monkeypatch.setattr(_store.Folder, "keep", keep)


def test_unfinished_runs_that_are_others(tmp_path, monkeypatch):
    out = tmp_path / "out"
    begun(out, monkeypatch)
    own = {"size": 2, "every": 0, "engine": ("train",), "out": out}
    with pytest.raises(Refused, match=r"holds an unfinished run with size = 2, not 3; give an"):
        run(OWN, **{**own, "size": 3})
    torch.set_num_threads(2)
    with pytest.raises(Refused, match=r"an unfinished run made with threads 1, not 2; give"):
        run(OWN, **own)
    torch.set_num_threads(1)
    with monkeypatch.context() as patch:
        patch.setattr(_store, "package", lambda: "0" * 64)
        with pytest.raises(Refused, match="holds an unfinished run made by other code"):
            run(OWN, **own)
    with pytest.raises(Refused, match="unfinished run of the experiment 'own', not 'small'"):
        run(small(), out=out)
    run(OWN, **own)
    with pytest.raises(Refused, match=r"holds a result with size = 2, not 3; give another --out"):
        run(OWN, **{**own, "size": 3})


def test_damaged_checkpoints_and_points(tmp_path, monkeypatch):
    out = tmp_path / "out"
    begun(out, monkeypatch)
    own = {"size": 2, "every": 0, "engine": ("train",), "out": out}
    [state], [point] = out.glob("points/*.pt"), out.glob("points/*.done")
    for path in (state, point):
        whole = path.read_bytes()
        rng = random.Random(0)
        bits = [flipped(whole, rng.randrange(len(whole)), 1 << rng.randrange(8)) for _ in range(30)]
        for damaged in (whole[:-1], whole[: len(whole) // 2], b"", *bits):
            path.write_bytes(damaged)
            with pytest.raises(Refused, match=rf"{path.name} is damaged.*delete it"):
                run(OWN, **own)
        path.write_bytes(whole)
    # A checkpoint of another point.
    other = state.with_name(point.stem + ".pt")
    whole = state.read_bytes()
    point.rename(tmp_path / "kept")
    state.rename(other)
    with pytest.raises(Refused, match=r"comes from other code, settings or another device"):
        run(OWN, **own)
    other.unlink()
    (tmp_path / "kept").rename(point)
    state.write_bytes(whole)
    run(OWN, **own)


def flipped(data, at, bit):
    """The same bytes but for one bit."""
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def test_a_folder_with_something_else(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(Refused, match="holds something else; give a new or empty folder as --out"):
        run(small(), out=tmp_path)
    assert (tmp_path / "thesis.tex").exists()
    (tmp_path / "new").mkdir()
    run(OWN, out=tmp_path / "new", size=1, **FLOW)


def test_two_runs_into_one_folder(tmp_path):
    out = tmp_path / "out"
    identity = _store.identity(OWN, replace(Settings(), size=1), torch.device("cpu"), 1)
    folder = _store.Folder(out, identity)
    folder.open()
    with folder.locked(), pytest.raises(Refused, match="another run is writing into"):
        run(OWN, out=out, size=1)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="Permission denied"):
        run(small(), out=tmp_path / "out")


@pytest.mark.parametrize(
    ("kept", "again", "off"),
    [
        ([[2.0, 4.0], [1.0, 0.0]], [[2.0, 4.0]], 0.0),
        ([[2.0, 4.0], [1.0, 0.0]], [[2.0, 3.0]], 0.25),
        ([np.inf, np.nan, 2.0], [np.inf, np.nan, 1.0], 0.5),
        ([np.inf, 1.0], [1.0, 1.0], np.inf),
        ([1.0, 1.0], [np.nan, 1.0], np.inf),
        ([1.0], [1.0, 1.0], np.inf),
        ([1, 2], [1, 2], 0.0),
        ([1, 2], [1, 3], np.inf),
        ([True], [False], np.inf),
        (np.zeros((0, 2)), np.zeros((0, 2)), 0.0),
    ],
)
def test_how_far_a_corner_is_off(kept, again, off):
    assert _run._off(np.array(kept), np.array(again)) == off


def test_a_probe_that_does_not_agree_is_no_result(tmp_path):
    def wrong(s):
        return Probe(replace(s, seed=s.seed + 1), {"x": 1, "y": 0.5}, 1e-12)

    with pytest.raises(RuntimeError, match=r"computed again at .* the arrays are off by"):
        run(small(probe=wrong, measure=product), out=tmp_path / "out")
    assert (tmp_path / "out" / "run.json").exists()


# Sweeps --------------------------------------------------------------------------------------


def test_a_sweep_gives_the_bits_of_a_run(tmp_path):
    log, out = tmp_path / "log", tmp_path / "out"
    here = run(OWN, size=1)
    spread = sweep(
        OWN, workers=2, out=out, size=1, log=str(log), files=[Path(__file__).parent / "own.py"]
    )
    np.testing.assert_array_equal(here["loss"], spread["loss"])
    lines = [line.split() for line in log.read_text().splitlines()]
    points = sorted((engine, run) for engine, run, pid, _ in lines if int(pid) != os.getpid())
    assert points == sorted((e, r) for e in ("flow", "sgd", "train") for r in "01")


def test_a_worker_that_dies(tmp_path):
    log = tmp_path / "log"
    result = sweep(
        OWN,
        workers=2,
        out=tmp_path / "out",
        size=1,
        log=str(log),
        fatal=str(tmp_path / "fatal"),
        files=[Path(__file__).parent / "own.py"],
    )
    np.testing.assert_array_equal(result["loss"], run(OWN, size=1)["loss"])
    assert (tmp_path / "fatal").exists()


def test_a_measurement_that_fails_in_a_worker():
    with pytest.raises(RuntimeError, match=r"the measurement at \{'engine': 'jump', 'run': 0\}"):
        sweep(OWN, workers=1, engine=("jump",), files=[Path(__file__).parent / "own.py"])


@pytest.mark.parametrize("bad", [{"workers": 0}, {"threads": 0}])
def test_bad_numbers_of_workers(bad):
    with pytest.raises(ValueError, match="valid are integers from 1"):
        sweep(OWN, **bad)


def test_each_process_has_a_device_of_its_own(tmp_path, monkeypatch):
    """Locks, so that workers of any executor on a machine share its GPUs without a word."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with _run.claimed("cuda", 2) as first, _run.claimed("cuda", 2) as second:
        assert {first.index, second.index} == {0, 1}
    with _run.claimed("cuda", 2) as third:
        assert third.index == 0
    with _run.claimed("cpu") as cpu:
        assert cpu.type == "cpu"


# The book's own ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_settings_survive_json_and_the_command(name):
    one = EXPERIMENTS[name]
    for settings in (one.chapter, one.full):
        values = json.loads(json.dumps(_store.to_json(settings)))
        assert _store.from_json(one, values) == settings
    assert one.part in ("sandbox", "composition", "emergence")
    assert re.fullmatch(r"[A-Z].*\?", one.question)
    replace(one.full, **one.reduced)
    for settings in (one.full, replace(one.full, **one.reduced), one.chapter):
        probe = one.probe(settings)
        assert set(probe.point) == set(one.axes)
