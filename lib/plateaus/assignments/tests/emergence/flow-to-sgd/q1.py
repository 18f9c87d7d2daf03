from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = [0, 0]

@test_case(name="two steps by hand", hidden=False)
def test_two_steps_by_hand(split):
    import numpy as np
    A, Z = split(np.array([[1.0], [3.0], [2.0]]), lambda M: M / 2)
    assert np.shape(A) == np.shape(Z) == (3, 1), 'Both parts have the shape of M.'
    assert np.allclose(A[:, 0], [0, 0.5, 2]), f'D is 1/2 before the first step and 3/2 before the second, so A is 0, 0.5, 2; yours is {A[:, 0]}. With 1.5 after one step you took the overlap after the step.'
    assert np.allclose(Z[:, 0], [0, 1.5, -1]), 'Z is what is left of M - M_0: 0, 1.5, -1.'

@test_case(name="four coins", hidden=False)
def test_four_coins(wild, doob):
    import numpy as np
    Z = np.array([[0, 0, 0, 0], [1, 1, -1, -1], [2, 0, 0, -2]])
    assert wild(Z, 2) == 0.5, 'Of the four paths of two coins, 0 1 2 and 0 -1 -2 reach 2: half.'
    assert wild(Z, 1) == 1, 'All four have |Z_1| = 1, also those that end at 0.'
    assert np.isclose(doob(Z, 2), 0.5), 'Two steps of square 1 on every path, over 2²: 1/2.'
    assert doob(Z, 1) == 1, '2 is no probability; the bound is 1 there.'
