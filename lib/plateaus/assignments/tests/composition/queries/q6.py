from otter.test_files import test_case

OK_FORMAT = False

name = "q6"
points = [0, 0, 0]

@test_case(name="a guess", hidden=False)
def test_a_guess(signals):
    import numpy as np
    sigma, x = (np.array([[[0, 1]], [[0, 1]]]), np.array([0, 1]))
    tasks = np.array([[[0, 1]], [[1, 0]]])
    q = np.eye(2)
    got = signals(q, tasks, sigma, x)
    assert np.allclose(got, [0.5, -0.5]), f'With sigma the identity the first task has label x, so the mean of q is 1; the second never has, 0. The blind answer is 1/2. Signals: 1/2 and -1/2; yours are {got}.'

@test_case(name="harmful answers", hidden=False)
def test_harmful_answers(answers):
    import numpy as np
    sigma, x = (np.array([[[0, 1]], [[0, 1]]]), np.array([0, 1]))
    tasks, q = (np.array([[[0, 1]], [[1, 0]]]), np.eye(2))
    assert np.allclose(answers(q, tasks, sigma, x, 0.6), 0.5), 'The truth is 1 or 0, and 1/2 is within 0.6 of both: the blind answer.'
    got = answers(q, tasks, sigma, x, 0.2)
    assert np.allclose(got, [0.8, 0.2]), f'Within 0.2 of the truth, 1 or 0, and as near to 1/2 as may be: 0.8 and 0.2, not {got}.'

@test_case(name="who is left", hidden=False)
def test_who_is_left(undecided):
    import numpy as np
    sigma, x = (np.array([[[0, 1]], [[0, 1]]]), np.array([0, 1]))
    tasks, q = (np.array([[[0, 1]], [[1, 0]]]), np.array([[1.0, -1.0], [1.0, 1.0]]))
    assert np.asarray(undecided([], tasks, sigma, x, 0.1)).tolist() == [True, True], 'Nothing was asked, so nothing is excluded.'
    got = np.asarray(undecided([q, q], tasks, sigma, x, 0.4)).tolist()
    assert got == [False, False], f'The means of q are 1 and 0, the blind answer is 1/2: off by 0.5 for both. Yours: {got}.'
