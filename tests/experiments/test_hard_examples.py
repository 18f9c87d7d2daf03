"""Hard examples alone: as `train` does it, cut or not; shares of runs that learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from plateaus.composition import Task, Transformer, train
from plateaus.experiments._experiment import Arrays, Result, Work, points, stack
from plateaus.experiments._tasks import stream
from plateaus.experiments.hard_examples import HARD_EXAMPLES, HardExamples, measure

SMALL = HardExamples(
    size=((3, 1), (3, 3)),
    run=(0, 1),
    steps=60,
    every=10,
    batch=16,
    lr=1e-2,
    width=16,
    evaluate_on=16,
)


def run(s: HardExamples = SMALL, work: Work | None = None, **point: object) -> Arrays:
    return measure(s, work or Work(torch.device("cpu")), **point)  # type: ignore[arg-type]


def test_it_is_train_on_the_last_hop() -> None:
    found = run(size=(3, 3), run=1)
    seed = stream(0, 3, 3, 1)
    seen = train(
        Transformer(k=3, N=3, width=16, heads=2, seed=seed),
        Task.random(k=3, N=3, seed=seed),
        data="hard",
        steps=60,
        batch=16,
        lr=1e-2,
        seed=seed,
        evaluate_every=10,
        evaluate_on=16,
    )
    assert found["accuracy"].shape == (7,)
    np.testing.assert_array_equal(found["loss"], seen.loss[:, -1].float())
    np.testing.assert_array_equal(found["accuracy"], seen.accuracy[:, -1].float())


def test_one_step_is_learned_and_three_are_not_and_the_findings_say_so() -> None:
    cells = [run(**point) for point in points(HARD_EXAMPLES, SMALL)]
    result = Result(HARD_EXAMPLES, SMALL, stack(HARD_EXAMPLES, SMALL, cells), {})
    one, three = result.findings
    assert (one.measured, three.measured) == (1.0, 0.0)
    assert one.low < 1
    assert three.high > 0
    assert np.isnan(result.at(size=(3, 1))["accuracy"]).any()  # ended where it was learned
    probe = HARD_EXAMPLES.probe(SMALL)
    whole = result.at(**probe.point)
    for name, part in run(probe.settings, **probe.point).items():
        np.testing.assert_array_equal(whole[name][: len(part)], part)


def test_same_bits_cut_or_not(tmp_path) -> None:  # type: ignore[no-untyped-def]
    calls = 0

    def cut(state):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls == 3:
            torch.save(state(), tmp_path / "state")
            raise KeyboardInterrupt

    point = {"size": (3, 3), "run": 0}
    with pytest.raises(KeyboardInterrupt):
        run(work=Work(torch.device("cpu"), keep=cut), **point)
    state = torch.load(tmp_path / "state", weights_only=True)
    again = run(work=Work(torch.device("cpu"), state), **point)
    for name, array in run(**point).items():
        np.testing.assert_array_equal(again[name], array)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="steps is 55; valid: multiples of every, 10"):
        run(replace(SMALL, steps=55), size=(3, 3), run=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda() -> None:
    found = run(work=Work(torch.device("cuda")), size=(3, 3), run=0)
    assert np.isfinite(found["loss"][0]).all()
