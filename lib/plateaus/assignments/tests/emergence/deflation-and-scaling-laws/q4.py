from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = [0, 0]

@test_case(name="three neurons two skills", hidden=False)
def test_three_neurons_two_skills(select, gaps):
    import numpy as np
    a = np.array([0.8, 0.6])
    M = np.array([[0.3, -0.4], [0.2, 0.1], [0.35, 0.1]])
    mine = [tuple((int(x) for x in pair)) for pair in select(a, M, 4)]
    assert mine == [(2, 0), (0, 1)], f'At k = 4 the scores are [[0.072, 0.096], [0.032, 0.006], [0.098, 0.006]]. The greatest is that of neuron 2 on skill 0. Of what remains, neuron 0 has the greatest, on skill 1. Yours: {mine}.'
    mine = np.asarray(gaps(a, M, 4))
    assert np.allclose(mine, [[0.098 / 0.006, 0.098 / 0.072], [np.inf, 16]]), f'First pick: 0.098 over 0.006 in its row, and over 0.072 in its column. At the second pick skill 0 is struck, so that no rival remains in the row of neuron 0: an infinite gap (if yours is 1.33, a struck score was its rival); in the column 0.096 over 0.006, neuron 1. Yours: {mine.tolist()}.'

@test_case(name="a near tie", hidden=False)
def test_a_near_tie(near_ties):
    import numpy as np
    a = np.array([0.8, 0.6])
    M = np.array([[0.3, -0.4], [0.2, 0.1], [0.35, 0.1]])
    assert list(near_ties(a, M, 4, 0.08)) == [True, False], 'The first pick has the lag log(10)/3.2 = 0.72 and the blow-up time 1/(8 · 0.098) = 1.28, so its gaps should be above 1.56, but its column gap is 1.36. The second has large gaps.'
    assert list(near_ties(a, M, 4, 0.4)) == [False, False], 'Neurons that start with more mass grow sooner: now 1.36 is above 1 + 0.22/1.28.'
