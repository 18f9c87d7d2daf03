"""What students of m neurons learn."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from plateaus.emergence import tail
from plateaus.experiments._experiment import Result, Work, check, points, stack
from plateaus.experiments.width import WIDTH, Settings, findings, measure

SMALL = Settings(m=(1, 2, 4), run=(0, 1), d=64, P=16)


def work(**keywords):
    return Work(torch.device("cpu"), **keywords)


@pytest.fixture(scope="module")
def small():
    cells = [measure(SMALL, work(), **point) for point in points(WIDTH, SMALL)]
    return Result(WIDTH, SMALL, stack(WIDTH, SMALL, cells), {})


def test_one_neuron_learns_the_direction_that_is_predicted(small):
    np.testing.assert_allclose(small["loss"][0], small["predicted"][0], rtol=1e-3)
    assert (small["agree"][0] == 1).all()


def test_no_student_is_below_the_tail(small):
    assert (small["loss"][:, :, -1] > small["tail"] * (1 - 1e-6)).all()
    for k, m in enumerate(SMALL.m):
        assert small["tail"][k] == pytest.approx(float(tail(m, P=16, beta=0.8)))


def test_later_is_no_worse(small):
    assert (small["loss"][:, :, 1] <= small["loss"][:, :, 0] + 1e-9).all()


def test_findings_put_finite_numbers_side_by_side(small):
    found = findings(small)
    assert all(np.isfinite([f.predicted, f.measured, f.low, f.high]).all() for f in found)
    assert [f.predicted for f in found if "∞" in f.quantity] == pytest.approx([-0.6])


def test_known_losses_give_their_slope():
    s = replace(SMALL, m=(1, 2, 4, 8), P=32)
    m = np.array(s.m, float)[:, None] * np.ones((1, 2))
    one = np.ones((4, 2))
    arrays = {
        "loss": (m**-0.7)[..., None] * np.ones(2),
        "predicted": (m**-0.8)[..., None] * np.ones(2),
        "tail": m**-0.9,
        "top": 0.5 * one,
        "top_predicted": 0.75 * one,
        "agree": one,
    }
    found = findings(Result(WIDTH, s, arrays, {}))
    slopes = [f for f in found if "slope" in f.quantity]
    assert [f.predicted for f in slopes] == pytest.approx([-0.8, -0.9, -0.6])
    assert [f.measured for f in slopes] == pytest.approx([-0.7] * 3)
    shares = [f for f in found if "strongest" in f.quantity]
    assert {(f.predicted, f.measured) for f in shares} == {(0.75, 0.5)}


def test_as_many_neurons_as_skills_leave_no_tail():
    arrays = measure(replace(SMALL, P=2), work(), m=2, run=0)
    assert arrays["tail"] == 0


def test_the_probe_is_a_point_of_the_whole(small):
    probe = WIDTH.probe(SMALL)
    again = measure(probe.settings, work(), **probe.point)
    for name, array in small.at(**probe.point).items():
        assert np.array_equal(array, again[name])


def test_a_run_that_is_cut_goes_on_to_the_same_bits():
    whole, seen = measure(SMALL, work(), m=4, run=0), []

    def cut(state):
        seen.append(state())
        if len(seen) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(SMALL, work(keep=cut), m=4, run=0)
    file = io.BytesIO()
    torch.save(seen[-1], file)
    file.seek(0)
    rest = measure(SMALL, work(state=torch.load(file, weights_only=True)), m=4, run=0)
    assert all(np.array_equal(whole[name], rest[name]) for name in whole)


def test_full_and_reduced_settings_are_valid():
    check(WIDTH, replace(WIDTH.full, **WIDTH.reduced))


def test_strengths_of_ones_own():
    s = replace(SMALL, P=4, strengths=(0.8, 0.4, 0.4, 0.2), m=(1,), run=(0,))
    assert measure(s, work(), m=1, run=0)["tail"] == pytest.approx(0.18)
    with pytest.raises(ValueError, match="strengths are 4; valid are P = 16"):
        measure(replace(s, P=16), work(), m=1, run=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_the_gpu_says_the_same():
    here = measure(SMALL, work(), m=4, run=0)
    there = measure(SMALL, Work(torch.device("cuda")), m=4, run=0)
    for name in here:
        np.testing.assert_allclose(here[name], there[name], rtol=1e-3, atol=1e-4)
