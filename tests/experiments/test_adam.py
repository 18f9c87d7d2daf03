"""Adam from a generic start: as `train` does it, cut or not; hits and ends of a record."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from plateaus.composition import Task, Transformer, train
from plateaus.experiments._experiment import Arrays, Result, Work, points, stack
from plateaus.experiments._tasks import stream
from plateaus.experiments.adam import ADAM, Adam, final, measure, reached

SMALL = Adam(
    data=("hard", "mixture", "cumulative", "strict"),
    size=((3, 1), (3, 2)),
    run=(0, 1),
    steps=40,
    every=10,
    batch=8,
    lr=1e-2,
    width=16,
    evaluate_on=16,
)


def run(s: Adam = SMALL, work: Work | None = None, **point: object) -> Arrays:
    return measure(s, work or Work(torch.device("cpu")), **point)  # type: ignore[arg-type]


def test_it_is_train() -> None:
    found = run(data="mixture", size=(3, 2), run=1)
    seed = stream(0, 3, 2, 1, "mixture")
    seen = train(
        Transformer(k=2, N=3, width=16, heads=2, seed=seed),
        Task.random(k=2, N=3, seed=stream(0, 3, 2, 1)),
        data="mixture",
        steps=40,
        batch=8,
        lr=1e-2,
        seed=seed,
        evaluate_every=10,
        evaluate_on=16,
    )
    assert found["accuracy"].shape == (1 + 2 * 4, 2)
    np.testing.assert_array_equal(found["loss"][: len(seen.loss)], seen.loss.float())
    assert np.isnan(found["loss"][len(seen.loss) :]).all()
    steps = [math.inf if step is None else step for step in seen.reached]
    assert reached(found["accuracy"], SMALL).tolist() == steps


def test_hits_and_ends() -> None:
    nan = math.nan
    seen = [[0.2, 0.3, nan], [0.96, 0.3, nan], [0.9, 0.7, nan], [nan, nan, nan]]
    np.testing.assert_array_equal(reached(seen, SMALL), [10, math.inf, nan])
    np.testing.assert_array_equal(final(seen), [0.9, 0.7, nan])


def test_findings_and_probe() -> None:
    cells = [run(**point) for point in points(ADAM, SMALL)]
    result = Result(ADAM, SMALL, stack(ADAM, SMALL, cells), {})
    claims = {finding.claim for finding in result.findings}
    names = {"hard", "mixture", "cumulative", "staircase", "budget", "strict"}
    assert claims == {f"adam-{name}" for name in names}
    assert len(result.findings) == 12
    for finding in result.findings:
        assert finding.low <= finding.measured <= finding.high
    probe = ADAM.probe(SMALL)
    whole = result.at(**probe.point)
    for name, part in run(probe.settings, **probe.point).items():
        corner = whole[name][tuple(slice(n) for n in part.shape)]
        np.testing.assert_array_equal(corner, part)


@pytest.mark.parametrize("data", ["hard", "cumulative"])
def test_same_bits_cut_or_not(tmp_path, data) -> None:  # type: ignore[no-untyped-def]
    calls = 0

    def cut(state):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls == 3:
            torch.save(state(), tmp_path / "state")
            raise KeyboardInterrupt

    done: list[float] = []
    device = torch.device("cpu")
    point = {"data": data, "size": (3, 2), "run": 0}
    with pytest.raises(KeyboardInterrupt):
        run(work=Work(device, keep=cut, progress=lambda share, _: done.append(share)), **point)
    state = torch.load(tmp_path / "state", weights_only=True)
    before = done[-1]
    assert before == pytest.approx(20 / (80 if data == "hard" else 40))
    again = run(
        work=Work(device, state, progress=lambda share, _: done.append(share)),
        **point,
    )
    assert done[3] == before
    assert done == sorted(done)
    for name, array in run(**point).items():
        np.testing.assert_array_equal(again[name], array)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="steps is 55; valid: multiples of every, 10"):
        run(replace(SMALL, steps=55), data="hard", size=(3, 2), run=0)
    with pytest.raises(ValueError, match="multiple is 0"):
        run(replace(SMALL, multiple=0), data="hard", size=(3, 2), run=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda() -> None:
    found = run(work=Work(torch.device("cuda")), data="mixture", size=(3, 2), run=0)
    assert np.isfinite(found["loss"][0]).all()
