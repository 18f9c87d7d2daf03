from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = [0, 0]

@test_case(name="degrees up to two", hidden=False)
def test_degrees_up_to_two(hermites):
    import numpy as np
    h = hermites(np.array([0.0, 1.0, 2.0]), 2)
    assert h.shape == (3, 3), f'A row for each degree, a column for each z; yours is {h.shape}.'
    assert np.allclose(h[0], 1) and np.allclose(h[1], [0, 1, 2]), 'h_0 is 1 and h_1(z) is z.'
    assert np.allclose(h[2], np.array([-1, 0, 3]) / np.sqrt(2)), "h_2 is -1/√2, 0 and 3/√2 at 0, 1 and 2. If you have -1, 0, 3, yours is not normalised; with -2, 2, 14 you have the physicists' polynomials, which belong to another Gaussian."

@test_case(name="only the constant", hidden=False)
def test_only_the_constant(hermites):
    import numpy as np
    h = hermites(np.array([0.5, -2.0]), 0)
    assert np.shape(h) == (1, 2), 'With K = 0 the result holds h_0 alone, in one row.'
    assert np.allclose(h, 1), 'h_0 is 1 everywhere.'
