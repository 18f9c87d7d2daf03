"""The guard's parts, without a kernel."""

import io
import json
import os
import types

import nbformat
import numpy as np
import pytest

import plateaus.composition
from plateaus.assignments import guard


def test_the_guard_works_in_a_kernel_alone():
    with pytest.raises(RuntimeError, match="works in an IPython kernel; there is none here"):
        guard.begin()


def test_what_was_replaced_is_put_back(monkeypatch):
    kept = guard.snapshot()
    true = np.allclose, plateaus.composition.Task.hops
    monkeypatch.setattr(np, "allclose", lambda *a: True)
    monkeypatch.setattr(plateaus.composition.Task, "hops", None)
    assert {"numpy.allclose", "plateaus.composition.Task.hops"} <= set(guard.restore(kept))
    assert (np.allclose, plateaus.composition.Task.hops) == true
    assert guard.restore(kept) == []


def test_a_stream_is_cut():
    class Stream(io.StringIO):
        pass

    stream = Stream()
    guard.cap(stream)
    for _ in range(30):
        stream.write("x" * 100_000)
    text = stream.getvalue()
    assert len(text) < guard.OUTPUT + 100
    assert "the grader cuts what one cell prints here" in text
    guard.cap(stream)
    stream.write("again")
    assert stream.getvalue().endswith("again")


def test_the_journal_outlives_its_name(tmp_path):
    path = tmp_path / "journal"
    path.touch()
    write = guard.Journal(str(path))
    write("cell", "x = 1\n")
    kept = path.read_text()
    os.unlink(path)
    write("cell", "y")
    assert json.loads(kept) == {"event": "cell", "what": "x = 1\n"}
    guard.Journal(None)("cell", "nothing")


def test_the_plugin_s_cell(monkeypatch):
    monkeypatch.setenv("PLATEAUS_WITHOUT", json.dumps(["while True: pass"]))
    monkeypatch.setenv("PLATEAUS_FAIL", json.dumps({"q2": "it died"}))
    cells = [nbformat.v4.new_code_cell(code) for code in ("x = 1", "while True: pass")]
    cells[0].outputs = [nbformat.v4.new_output("stream", text="x" * 100)]
    nb = nbformat.v4.new_notebook(cells=cells)
    nb.metadata["kernelspec"] = {"name": "conda-env-mine", "display_name": "Mine"}
    nb = guard.Guard("", {}, {"seconds": 3}).before_execution(nb)
    assert nb.metadata["kernelspec"]["name"] == "python3"
    assert "'seconds': 3" in nb.cells[0].source
    assert "'fail': {'q2': 'it died'}" in nb.cells[0].source
    assert nb.cells[1].outputs == []
    assert nb.cells[2].source.startswith("# left out")


def test_protected_modules_are_there():
    names = [module.__name__ for module in guard.protected()]
    assert set(guard.PROTECTED) <= set(names)
    assert "plateaus.composition.task" in names
    assert all(isinstance(module, types.ModuleType) for module in guard.protected())
