from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = [0, 0]

@test_case(name="even scores", hidden=False)
def test_even_scores(attend):
    import numpy as np
    values = np.array([[1.0, 0.0], [0.0, 1.0]])
    read = attend(np.zeros((2, 2)), values)
    assert np.allclose(read, 0.5), 'With equal scores every query reads the mean of the values.'
    read = attend(np.array([[np.log(3), 0.0], [0.0, 0.0]]), values)
    assert np.allclose(read[0], [0.75, 0.25]), 'Weights e^s over their sum in each *row*: 3/4, 1/4.'

@test_case(name="two keys", hidden=False)
def test_two_keys(leak, smallest_beta):
    import numpy as np
    assert np.isclose(leak(0.0, 2), 0.5), 'With beta = 0 and two keys, half goes to the other.'
    assert np.isclose(smallest_beta(0.25, 2), np.log(3)), 'leak(log 3, 2) is 1/4.'
    assert smallest_beta(0.9, 2) == 0, "beta = 0 already leaks less than 0.9; it can't be negative."
