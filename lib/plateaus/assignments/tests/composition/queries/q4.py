from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = [0, 0]

@test_case(name="two members", hidden=False)
def test_two_members(family):
    import numpy as np
    two = np.asarray(family(1, 3))
    assert two.shape == (2, 1, 3), f'N = 3, k = 1: (N - 1)^k = 2 tasks, (2, 1, 3); not {two.shape}.'
    assert (np.sort(two, axis=2) == np.arange(3)).all(), 'Each row is a permutation of 0, 1, 2.'
    shared = int((two[0] == two[1]).sum())
    assert shared == 1, f'Yours share {shared} values. One shared value makes the correlation 0; none gives -1/3.'
    assert np.asarray(family(2, 2)).shape == (1, 2, 2), 'N = 2 allows one member for every k.'

@test_case(name="a pair", hidden=False)
def test_a_pair(gram):
    import numpy as np
    tasks = np.array([[[0, 1, 2]], [[1, 2, 0]], [[0, 2, 1]]])
    got = gram(tasks)
    truth = np.array([[2, -1, 0], [-1, 2, 0], [0, 0, 2]]) / 3
    assert np.allclose(got, truth), f'A task agrees with itself always, 1 - 1/3. The first two share no value and never agree, 0 - 1/3. The third shares one value with each. Yours is {got}.'
