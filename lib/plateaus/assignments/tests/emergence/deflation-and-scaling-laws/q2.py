from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = [0, 0]

@test_case(name="blow up of one pair", hidden=False)
def test_blow_up_of_one_pair(blow_up):
    import numpy as np
    mine = blow_up(1.0, 0.1, 4)
    assert np.isclose(mine, 12.5), f'With k = 4, a = 1 and M_0 = 0.1 we have dy/dt = 8 y² and y_0 = 0.01. So 1/y falls from 100 to 0 at the rate 8, in 12.5; yours is {mine}. Without the 2 of dy/dt = 2 M dM/dt it would be 25, and with M_0 for y_0 it would be 1.25.'
    assert np.isclose(blow_up(0.5, -0.5, 6), 4 / 3), 'With k = 6, a = 1/2 and y_0 = 1/4: dy/dt = 6 y³, so 1/y² falls from 16 at the rate 12.'

@test_case(name="emergence of one pair", hidden=False)
def test_emergence_of_one_pair(emergence):
    import numpy as np
    mine = emergence(1.0, 0.5, 4)
    assert np.isclose(mine, (2 + np.log(3)) / 8), f'At k = 4 the clock log(y/(1 - y)) - 1/y goes from -log 3 - 4, at y = 1/4, to -2, at y = 1/2. Its rate is 8 if a = 1, so T = (2 + log 3)/8 = 0.3873; yours is {mine}.'
    assert np.shape(emergence(np.array([0.8, 0.6]), np.full((3, 2), 0.1), 4)) == (3, 2), 'Strengths (2,) and overlaps (3, 2) give times (3, 2).'
