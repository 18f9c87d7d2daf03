from otter.test_files import test_case

OK_FORMAT = False

name = "q7"
points = [0, 0]

@test_case(name="one step by hand", hidden=False)
def test_one_step_by_hand(search):
    import numpy as np

    def one(z):
        return np.ones_like(z)
    start, z, s, q = (np.zeros(1), np.ones((1, 1)), np.ones((1, 1)), np.full((1, 1), 2.0))
    hits = [search(start.copy(), z, s, q, lambda u: u, one, 1.0, u)[0] for u in (0.45, 0.55)]
    assert hits == [1, np.inf], f"M = 0, so <θ, x> = s = 1, y = 1 and y σ'(z) = 1. With w = (1, 0, 0), θ = e = (0, 1, 0) and x = (1, 1, √2) the step goes to (1, 1, √2)/2, so M is 1/2: by step 1 above 0.45, never above 0.55. Yours: {hits}. A length without q gives M = 0.71, one without s² 0.58."
    search(start, z, s, q, lambda u: u, one, 1.0, 0.45)
    assert start[0] == 0, 'The overlaps that came in must stay as they were.'

@test_case(name="starts and signs", hidden=False)
def test_starts_and_signs(search):
    import numpy as np

    def zero(z):
        return 0 * z
    some = np.ones((3, 3))
    hits = search(np.array([0.6, -0.6, 0.1]), some, some, some, np.cos, zero, 0.1, 0.5)
    assert np.array_equal(hits, [0, 0, np.inf]), f'With slope 0 nothing moves. 0.6 and -0.6 are there at the start, 0.1 never arrives: 0, 0, inf; yours is {hits}.'
