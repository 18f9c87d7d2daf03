from otter.test_files import test_case

OK_FORMAT = False

name = "q5"
points = [0, 0]

@test_case(name="first of one row", hidden=False)
def test_first_of_one_row(first):
    import numpy as np
    W = first(np.array([[1, 2, 0]]), 4.0)
    assert W.shape == (3, 3), f'T = kN = 3, so W is (3, 3); yours is {W.shape}.'
    query = np.array([1.0, 0.0, 0.0])
    assert np.array_equal(W @ query, [0, 4, 0]), 'pi_1 takes 0 to 1: the query at position 0 gives the key at position 1 the score 4. If yours gives it to position 2, rows and columns are exchanged.'

@test_case(name="ahead and home", hidden=False)
def test_ahead_and_home(ahead, home):
    import numpy as np
    W = ahead(1, 2, 2, 3.0)
    query = np.eye(4)[1]
    assert np.array_equal(W @ query, 3.0 * np.eye(4)[3]), 'From (0, 1), one row on, is (1, 1).'
    assert np.array_equal(home(1, 2, 2) @ np.eye(4)[3], np.eye(4)[1]), 'And back: (1, 1) to (0, 1).'
    assert np.array_equal(ahead(1, 4, 1, 3.0) @ np.eye(4)[0], 3.0 * np.eye(4)[1]), 'With four rows and N = 1, one row on from row 0 is row 1. Row 3 is one row back.'
    assert np.array_equal(home(1, 4, 1) @ np.eye(4)[1], np.eye(4)[0]), 'home goes from row 1 to row 0.'
