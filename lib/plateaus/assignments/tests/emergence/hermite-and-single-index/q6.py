from otter.test_files import test_case

OK_FORMAT = False

name = "q6"
points = [0, 0]

@test_case(name="by hand", hidden=False)
def test_by_hand(sgd_step):
    import numpy as np
    w, x, y = (np.array([[1.0, 0.0]]), np.array([[1.0, 2.0]]), np.array([2.0]))
    new = sgd_step(w, x, y, lambda z: 2 * z, 0.25)
    assert np.allclose(new, np.array([[1, 2]]) / np.sqrt(5)), f"z = 1, σ'(z) = 2 and x - zw = (0, 2), so w + (1/4)·2·2·(0, 2) = (1, 2), of length √5. Yours is {new}. With (2, 2)/√8 the part of x along w was not taken off."

@test_case(name="runs do not mix", hidden=False)
def test_runs_do_not_mix(sgd_step):
    import numpy as np
    w = np.array([[1.0, 0.0], [0.0, 1.0]])
    x, y = (np.array([[1.0, 2.0], [3.0, 0.0]]), np.array([2.0, 5.0]))
    new = sgd_step(w, x, y, lambda z: 2 * z, 0.25)
    assert np.allclose(new[1], [0, 1]), "In the second run z = 0 and σ'(0) = 0: nothing moves."
    assert np.allclose(new[0], np.array([1, 2]) / 5 ** 0.5), 'Run 0 does not see run 1.'
    assert np.array_equal(w, np.eye(2)), 'The w that came in must not change.'
