from otter.test_files import test_case

OK_FORMAT = False

name = "q1"
points = [0, 0, 0]

@test_case(name="one step", hidden=False)
def test_one_step(compose):
    import numpy as np
    pi, sigma = (np.array([[1, 2, 0]]), np.array([[0, 2, 1]]))
    answers = [compose(pi, sigma, x) for x in range(3)]
    assert answers == [2, 1, 0], f'With k = 1, pi = [1, 2, 0] and sigma = [0, 2, 1] the labels of x = 0, 1, 2 are sigma[pi[x]] = 2, 1, 0; yours are {answers}. pi acts before sigma.'

@test_case(name="order of rows", hidden=False)
def test_order_of_rows(compose):
    import numpy as np
    pi = np.array([[1, 2, 0], [0, 1, 2]])
    sigma = np.array([[0, 1, 2], [1, 0, 2]])
    assert compose(pi, sigma, 0) == 0, 'pi_1 takes 0 to 1, sigma_1 keeps it, pi_2 keeps it, sigma_2 takes 1 to 0. Row 1 acts first.'

@test_case(name="no step and around", hidden=False)
def test_no_step_and_around(hop):
    import numpy as np
    pi, sigma = (np.array([[1, 2, 0], [2, 0, 1]]), np.array([[0, 2, 1], [1, 0, 2]]))
    assert hop(pi, sigma, 1, 0, 2) == 2, 'No step leaves j where it is.'
    around = sigma[0, pi[0, sigma[1, pi[1, 2]]]]
    assert hop(pi, sigma, 1, 2, 2) == around, 'After the last row the walk goes on in the first.'
