"""Results that are damaged, edited or brought from elsewhere are refused, and `verify` says why."""

import json
import random
import shlex
import shutil

import numpy as np
import pytest
import torch
from own import OWN

from plateaus.experiments import (
    EXPERIMENTS,
    Refused,
    _run,
    _store,
    command,
    load,
    results,
    run,
    stored,
    verify,
)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("good") / "out"
    run(OWN, out=out, size=2, engine=("flow",))
    torch.set_num_threads(before)
    return out


@pytest.fixture
def out(good, tmp_path):
    shutil.copytree(good, tmp_path / "out")
    return tmp_path / "out"


def test_the_good_one_agrees(out):
    off, _ = verify(out, OWN)
    assert off < 1e-9


def test_any_bit_of_the_arrays(out):
    data, rng = (out / "result.npz").read_bytes(), random.Random(0)
    for _ in range(50):
        at, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
        (out / "result.npz").write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
        with pytest.raises(Refused, match="has been damaged or edited: its sha256 is not"):
            load(OWN, out)


def leaves(value, path=()):
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, (*path, name))
    else:
        yield path


def test_any_entry_of_the_manifest(out):
    text = (out / "manifest.json").read_text()
    paths = list(leaves(json.loads(text)))
    assert len(paths) > 30
    for path in paths:
        edited = json.loads(text)
        parent = edited
        for name in path[:-1]:
            parent = parent[name]
        parent[path[-1]] = "other"
        (out / "manifest.json").write_text(json.dumps(edited))
        with pytest.raises(Refused, match=r"edited|format"):
            load(OWN, out)


def forge(out, change):
    """Edit a result and make its hashes fit again."""
    manifest = json.loads((out / "manifest.json").read_text())
    arrays = dict(np.load(out / "result.npz"))
    change(manifest, arrays)
    data = _store.npz(arrays)
    (out / "result.npz").write_bytes(data)
    manifest["files"] = {"result.npz": {"sha256": _store.digest(data), "bytes": len(data)}}
    del manifest["digest"]
    manifest["digest"] = _store.digest(manifest)
    (out / "manifest.json").write_bytes(_store.dump(manifest))


def test_a_forgery_does_not_survive_the_point_computed_again(out):
    def better(manifest, arrays):
        arrays["loss"] = arrays["loss"] * 0.99

    forge(out, better)
    load(OWN, out)  # every hash fits
    with pytest.raises(Refused, match=r"recomputed at .*, loss is off by 0\.01 of its greatest"):
        verify(out, OWN)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m, a: m["probe"].update(tolerance=1.0), "the manifest names another point"),
        (lambda m, a: m["identity"]["settings"].update(run=[0]), "does not fit own as it is"),
        (lambda m, a: m["identity"]["settings"].update(more=1), "settings more do not fit own"),
        (lambda m, a: m["identity"]["settings"].update(size="2"), "size is '2', which own does"),
        (lambda m, a: m.update(experiment="other"), "a result of 'other'; valid: 'own'"),
        (lambda m, a: m.update(format=9), "has format 9; valid here: 1"),
        (lambda m, a: a.update(more=np.zeros(3)), "does not hold the arrays that its manifest"),
    ],
)
def test_forgeries_that_contradict_themselves(out, change, sentence):
    forge(out, change)
    with pytest.raises(Refused, match=sentence):
        verify(out, OWN)


def test_files_that_are_missing_or_no_results(out):
    (out / "result.npz").unlink()
    with pytest.raises(Refused, match="is not there"):
        load(OWN, out)
    (out / "manifest.json").write_text("[1, 2]")
    with pytest.raises(Refused, match="it is no JSON object"):
        load(OWN, out)
    (out / "manifest.json").write_text('{"format": 1')
    with pytest.raises(Refused, match="is damaged"):
        load(OWN, out)
    with pytest.raises(Refused, match="is not there"):
        verify(out.parent / "nothing", OWN)


def test_a_result_of_nobody(out):
    with pytest.raises(Refused, match="is of the experiment 'own', which is not known here"):
        verify(out)


def test_pickles_are_refused(out):
    arrays = {"loss": np.array([{}], dtype=object)}
    np.savez(out / "result.npz", **arrays)
    data = (out / "result.npz").read_bytes()
    with pytest.raises(Refused, match="is damaged"):
        _store.read_npz(data, out)


def test_the_same_arrays_are_the_same_bytes():
    arrays = {"a": np.arange(5.0), "b": np.ones((2, 2), np.int8)}
    assert _store.npz(arrays) == _store.npz(arrays)


# The book's results --------------------------------------------------------------------------


@pytest.mark.parametrize("path", stored(), ids=lambda path: path.name)
def test_a_stored_result(path):
    off, seconds = verify(path)
    print(f"{path.name}: {off:.1e}, {seconds:.1f} s")
    manifest = _store.read_json(path / "manifest.json")
    assert manifest["experiment"] == path.name
    assert manifest["scale"] == "full"
    assert manifest["code"]["clean"] is True
    assert manifest["probe"]["seconds"] <= 10
    result = load(path.name)
    assert result.findings
    # The command that it names runs these settings.
    given, words = command._parser().parse_known_args(shlex.split(manifest["command"])[1:])
    one = EXPERIMENTS[given.name]
    typed = dict(word.split("=", 1) for word in [*given.settings, *words])
    changes = {name: command.parse(name, text, one.kinds[name]) for name, text in typed.items()}
    assert given.threads == manifest["identity"]["machine"]["threads"]
    settings = _run.configured(one, scale=given.scale, device=given.device, **changes)[0]
    assert settings == result.settings


def test_the_results_fit_into_the_repository():
    files = [file for file in results().rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 20e6
    folders = {path.name for path in stored()}
    strange = [f for f in files if f.parent.name not in folders and f.name != "README.md"]
    assert not strange
    assert {f.name for f in files} <= {"result.npz", "manifest.json", "README.md"}
