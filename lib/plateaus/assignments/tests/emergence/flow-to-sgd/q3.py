from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = [0, 0]

@test_case(name="one sample by hand", hidden=False)
def test_one_sample_by_hand(overlap_after, balance):
    import numpy as np
    w, theta = (np.array([1.0, 0.0]), np.array([0.6, 0.8]))
    x, y = (np.array([[1.0, 2.0]]), np.array([2.0]))
    after = overlap_after(w, theta, x, y, 1, 0.25)
    assert np.shape(after) == (1,), 'One number a sample.'
    assert np.allclose(after, 2 / np.sqrt(5)), f"k = 1: z = σ = 1 and σ' = 1. u = (1 + 2·2/4)·(1, 0) + (2/4)·(0, 2) = (2, 1), and (2·0.6 + 0.8)/√5 = 0.894; yours is {after}."
    rate = balance(w, theta, x, y, 1)
    assert np.isclose(rate, 2 / 11), f'Here a = 3.2 and b = 17.6, so the rate is 2/11. 2/3 leaves out that w grows by 2ηyσ, 1/7 a ½; yours is {rate}.'

@test_case(name="the activation", hidden=False)
def test_the_activation(overlap_after):
    import numpy as np
    w, theta = (np.array([1.0, 0.0]), np.array([0.6, 0.8]))
    x, y = (np.array([[1.0, 2.0], [5.0, 5.0]]), np.array([np.sqrt(2), 0.0]))
    after = overlap_after(w, theta, x, y, 2, 0.25)
    assert np.allclose(after, [1.4 / np.sqrt(2), 0.6]), f"k = 2: h_2(1) = 0 and h_2'(1) = √2, so u = (1, 1) for the first sample; the second has the label 0 and moves nothing. The overlaps are 0.990 and 0.6; yours are {after}."
