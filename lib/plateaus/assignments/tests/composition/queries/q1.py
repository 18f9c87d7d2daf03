from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = [0, 0, 0]

@test_case(name="four inputs", hidden=False)
def test_four_inputs(every_input):
    sigma, x = every_input(1, 2)
    assert sigma.shape == (4, 1, 2), f'2! permutations and 2 starts; sigma has {sigma.shape}.'
    assert x.shape == (4,), f'One start for each input: (4,), not {x.shape}.'
    found = {(*row[0].tolist(), int(start)) for row, start in zip(sigma, x, strict=True)}
    assert found == {(0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 0, 1)}, 'Each permutation of 0, 1 comes once with each start.'

@test_case(name="one label", hidden=False)
def test_one_label(labels):
    import numpy as np
    pi, sigma = (np.array([[1, 2, 0]]), np.array([[[0, 2, 1]], [[0, 2, 1]], [[0, 1, 2]]]))
    y = np.asarray(labels(pi, sigma, np.array([0, 1, 1]))).tolist()
    assert y == [2, 1, 2], f'pi takes 0 to 1 and 1 to 2; then sigma = [0, 2, 1] gives 2 and 1, and the identity 2. Yours are {y}. pi acts before sigma.'

@test_case(name="never equal", hidden=False)
def test_never_equal(enumerated):
    from fractions import Fraction
    import numpy as np
    got = enumerated(np.array([[0, 1]]), np.array([[1, 0]]))
    assert got == Fraction(-1, 2), f'These tasks differ on every input: 0 less chance, Fraction(-1, 2); yours is {got}.'
