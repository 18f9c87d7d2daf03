from otter.test_files import test_case

OK_FORMAT = False

name = "q8"
points = [0, 0, 0, 0]

@test_case(name="one step is linear", hidden=False)
def test_one_step_is_linear(gradient):
    import numpy as np
    got = gradient(np.zeros((1, 2, 2)), np.array([[0, 1]]))
    assert np.allclose(got, [[[0.25, -0.25], [-0.25, 0.25]]]), f'k = 1, N = 2, pi the identity: s(A) = (A_11 + A_22 - A_12 - A_21)/4, whatever A is; yours is {got}.'
    got = gradient(np.zeros((1, 3, 3)), np.array([[1, 2, 0]]))
    assert got[0, 1, 0] > 0 > got[0, 0, 1], 'pi takes 0 to 1, so the entry in row 1, column 0 should grow.'

@test_case(name="a deaf step", hidden=False)
def test_a_deaf_step(ascend):
    import numpy as np
    pi, A = (np.array([[0, 1]]), np.zeros((1, 2, 2)))
    end, heard = ascend(A, pi, 0.3, 5, 1.0)
    assert np.array_equal(end, A) and heard == 0, 'All coordinates of the gradient are 1/4 or -1/4: at tolerance 0.3 every answer is 0.'
    end, heard = ascend(A, pi, 0.2, 1, 1.0)
    assert heard == 4, f'At tolerance 0.2 all four answers are informative, not {heard}.'
    assert np.allclose(end, [[[0.05, -0.05], [-0.05, 0.05]]]), f'The answers are 0.05 and -0.05, the admissible numbers nearest to 0; A is {end}.'
    assert np.array_equal(A, np.zeros((1, 2, 2))), 'The array that is given should not change.'
    end, _ = ascend(A, pi, 0.2, 1, 100.0)
    assert np.allclose(end, [[[0.5, -0.5], [-0.5, 0.5]]]), f'A would be 5 and -5, columns of absolute sum 10, so it is divided by 10; yours is {end}.'

@test_case(name="the right matrices", hidden=False)
def test_the_right_matrices(accuracy):
    import numpy as np
    pi = np.array([[1, 2, 0], [0, 2, 1]])
    A = np.stack([np.eye(3)[:, row] for row in pi])
    sigma, x = (np.array([[[0, 2, 1], [1, 0, 2]], [[1, 2, 0], [0, 1, 2]]]), np.array([0, 2]))
    got = accuracy(A, pi, sigma, x)
    assert got == 1, f'With A_i the matrix of pi_i, z is one-hot at the label: 1, not {got}.'
    assert accuracy(-A, pi, sigma, x) == 1, 'With two signs changed z is the same.'

@test_case(name="how many are deaf", hidden=False)
def test_how_many_are_deaf(deaf_share):
    got = deaf_share(3, 3, 1.0)
    assert abs(got - 5 / 32) < 1e-12, f'k = N = 3: 27 queries, each heard by 1/32 of the tasks at most; 5/32 are deaf, not {got}.'
    assert deaf_share(1, 3, 1.0) == 0, '9 queries, each heard by half of the tasks: nothing.'
