from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = [0, 0, 0]

@test_case(name="lengths", hidden=False)
def test_lengths(doubling):
    import numpy as np
    identity = np.arange(3)[None].repeat(8, axis=0)
    tables = doubling(identity, identity)
    assert len(tables) == 4, f'k = 8 has spans of length 1, 2, 4, 8: 4 tables, not {len(tables)}.'
    assert all((np.array_equal(table, identity) for table in tables)), 'If all permutations are the identity, so are all spans.'

@test_case(name="two steps", hidden=False)
def test_two_steps(doubling):
    import numpy as np
    pi, sigma = (np.array([[1, 2, 0], [2, 0, 1]]), np.array([[0, 2, 1], [1, 0, 2]]))
    one, two = doubling(pi, sigma)
    assert np.array_equal(one, [[2, 1, 0], [2, 1, 0]]), 'The first table is sigma[i, pi[i, j]].'
    assert np.array_equal(two, [[0, 1, 2], [0, 1, 2]]), 'The second is one[i + 1, one[i, j]], with i + 1 modulo k.'

@test_case(name="which way", hidden=False)
def test_which_way(doubling):
    import numpy as np
    still, turn = ([0, 1, 2], [1, 2, 0])
    pi, sigma = (np.array([still, turn, still, still]), np.array([still] * 4))
    one, two, four = doubling(pi, sigma)
    assert np.array_equal(two, [turn, turn, still, still]), f"Only step 2 (row 1) turns 0 to 1 to 2 to 0. Two steps from rows 0 and 1 take it, from rows 2 and 3 they don't; yours are {two}. If rows 1 and 2 turn, you join with the row before."
    assert np.array_equal(four, [turn] * 4), 'Four steps take each step once, from every row.'
