from otter.test_files import test_case

OK_FORMAT = False

name = "q7"
points = [0]

@test_case(name="one layer", hidden=False)
def test_one_layer(error, needed, promised):
    import numpy as np
    pi, sigma = (np.array([[1, 2, 0]]), np.array([[0, 2, 1]]))
    delta = error(pi, sigma, 2.0)
    assert np.isclose(delta, 2 / (np.exp(2.0) + 2)), 'With k = 1 the error is the leak of one look-up, leak(2.0, 3).'
    assert np.isclose(promised(1, 3, 0.01), np.log(200)), 'L = 1 and T = 3: log((2L-1)(T-1)/0.01).'
    assert np.isclose(needed(pi, sigma, 0.01), 5.3), 'leak(5.2, 3) > 0.01 >= leak(5.3, 3).'
