from otter.test_files import test_case

OK_FORMAT = False

name = "q7"
points = [0, 0, 0, 0]

@test_case(name="units by hand", hidden=False)
def test_units_by_hand(units):
    import numpy as np
    found = units(4, 9, 0.5, 1.0)
    assert np.allclose(found, (0.5, 1 / 32)), f'k = 4, d = 9, M_0 = 1/2, ς = 1: dM/dt = 4M³ from 1/2 blows up after 1/2, and signal and noise balance at 1/32; yours are {found}. 1/16 for the rate has no label noise.'

@test_case(name="two directions", hidden=False)
def test_two_directions(left):
    import numpy as np
    L = left(np.array([1.5, 3.0, 9.0]), np.array([0.75, 0.4]), np.array([0.8, 0.6]), 1.0, 1.0)
    assert np.shape(L) == (2, 3), f'A row a rate, a column a horizon; yours is {np.shape(L)}.'
    assert np.allclose(L[0], [0.5, 0.18, 0.18]), f'At 0.75 direction 1 comes after 1/0.6 = 1.67 samples; the rate is above 0.6, so direction 2 never comes and leaves 0.36/2. Yours: {L[0]}.'
    assert np.allclose(L[1], [0.5, 0.5, 0]), 'At 0.4 they come after 3.125 and 4.17 samples.'

@test_case(name="blown up runs", hidden=False)
def test_blown_up_runs(envelope):
    import numpy as np
    nan = np.nan
    L = np.array([[[1, 1], [1, nan], [2, nan]], [[5, 4], [5, 4], [5, 4]]])
    least, which = envelope(L)
    assert np.allclose(least, [1, 4]) and np.array_equal(which, [0, 1]), f'Rate 0 has the median 1, then infinity, as two of its three runs blew up. Rate 1 has 5, then 4. So 1 and 4, by rates 0 and 1; yours: {least}, {which}.'

@test_case(name="a sequence of two", hidden=False)
def test_a_sequence_of_two(sequence):
    import numpy as np
    risk = sequence(np.array([1.0, 2.0, 4.0]), np.array([0.8, 0.6]))
    assert np.allclose(risk, [0.5, 0.43, 0.25]), 'With n = 2, min(0.64, 0.5) + min(0.36, 0.5) = 0.86, and half of it is the bound.'
