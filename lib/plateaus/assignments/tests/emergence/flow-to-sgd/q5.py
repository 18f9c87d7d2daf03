from otter.test_files import test_case

OK_FORMAT = False

name = "q5"
points = [0, 0]

@test_case(name="one step of the mass", hidden=False)
def test_one_step_of_the_mass(mass_after, thresholds):
    import numpy as np
    s = mass_after(0.5, 1.0, 0.25, 1)
    assert np.isclose(s, 0.78125), f'The vector grows by 1 + 2·0.25·0.5 = 1.25, so the mass by 1.25²: 0.78125. With 0.75 you took a step of the mass, with 0.625 you did not square; yours is {s}.'
    assert np.isclose(mass_after(0.5, 1.0, 0.25, 0), 0.5), 'No step leaves the mass as it is.'
    assert np.allclose(thresholds(1.0), (0.25, 0.5)), 'For a = 1 the slope at s = 1 is 0 at the rate 1/4 and -1 at 1/2.'

@test_case(name="one neuron by hand", hidden=False)
def test_one_neuron_by_hand(overshoots):
    import numpy as np
    V, x = (np.array([[2.0, 0.0]]), np.array([[1.0, 3.0], [0.0, 0.0]]))
    shares = [overshoots(V, x, 1, eta) for eta in (0.03, 0.045)]
    assert shares == [0, 0.5], f'k = 1, n = 2: at x = (1, 3), z = 1 and the gradient is 2·(2·1·(1, 0) + (0, 3)) = (4, 6), of squared length 52; at 0 it is 0. 0.03·52 < 2 < 0.045·52, so the shares are 0 and 0.5; yours are {shares}.'
