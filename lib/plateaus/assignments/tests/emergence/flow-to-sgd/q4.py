from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = [0, 0]

@test_case(name="degree one", hidden=False)
def test_degree_one(noise, kurtosis, samples):
    import numpy as np
    assert np.isclose(noise(1, 0.3), 1), "k = 1: σ' is 1 and g is a standard normal; E g² = 1."
    assert np.isclose(kurtosis(1, 0.3), 3), 'The kurtosis of a normal number is 3.'
    assert np.isclose(samples(1, 0.3, 0.1), 200), f'g² has mean 1 and variance 2: 200 samples; yours is {samples(1, 0.3, 0.1)}.'

@test_case(name="degree two at the equator", hidden=False)
def test_degree_two_at_the_equator(noise, kurtosis):
    import numpy as np
    assert np.isclose(noise(2, 0.0), 2), "k = 2, M = 0: h_2 has mean square 1, σ' = √2 z mean square 2, and they are independent."
    assert np.isclose(kurtosis(2, 0.0), 45), f'E h_2⁴ = 60/4 = 15 and E z⁴ = 3: the kurtosis is the product, 45; yours is {kurtosis(2, 0.0)}.'
