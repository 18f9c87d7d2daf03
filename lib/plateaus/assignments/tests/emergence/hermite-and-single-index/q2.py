from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = [0, 0]

@test_case(name="the square", hidden=False)
def test_the_square(coefficients):
    import numpy as np
    c = coefficients(lambda z: z ** 2, 3)
    assert np.shape(c) == (4,), f'c_0, …, c_3 are four numbers; yours has shape {np.shape(c)}.'
    assert np.allclose(c, [1, 0, np.sqrt(2), 0]), f'z² = 1 + √2 h_2(z), so c is 1, 0, √2, 0; yours is {c}. If all of it is too large by the same factor, the weights do not belong to a probability.'

@test_case(name="exponents", hidden=False)
def test_exponents(information_exponent):
    import numpy as np
    k = information_exponent([0.6, 0.0, 1e-12, -0.2])
    assert k == 3, f'c_0 does not count, c_2 is rounding, c_3 is not: k = 3; yours is {k}.'
    assert isinstance(k, (int, np.integer)), f'An integer, so that c[k] works; yours is {type(k)}.'
    assert information_exponent([2.0, 0.0, 0.0]) == np.inf, 'A constant has exponent infinity.'
