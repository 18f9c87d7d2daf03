from otter.test_files import test_case

OK_FORMAT = False

name = "q7"
points = [0, 0]

@test_case(name="four skills", hidden=False)
def test_four_skills(strengths, window_slope):
    import numpy as np
    assert np.allclose(strengths(2, 1.0), [0.8944272, 0.4472136]), '1 and 1/2, over the root of 1 + 1/4: the squares sum to 1, not the strengths.'
    mine = window_slope(1.0, 4, 1, 3)
    assert np.isclose(mine, -1.6928836), f'With beta = 1 and P = 4 the squares are as 144 : 36 : 16 : 9. After skills 1, 2, 3, at T = 1, 2, 3, there are left 61, 25 and 9 parts. The best line through the three points has the slope -1.693, the line through the ends -1.742; yours is {mine}.'

@test_case(name="half of the skills", hidden=False)
def test_half_of_the_skills(formula_slope, read_off):
    import numpy as np
    mine = formula_slope(2.0, 1.0, 4)
    assert np.isclose(mine, -2), f'At beta = 1 the loss is in proportion to 1/x - 1/4, and t to x. At x = 2 it is 1/4 and falls at the rate 1/4: a slope of -2 in logarithms, twice the limit; yours is {mine}.'
    assert np.isclose(formula_slope(2.0, 1.0, np.inf), -1), '1/x alone has the slope -1.'
    assert np.isclose(read_off(-0.75), 0.8), '-0.75 is the limit at beta = 0.8.'
    assert np.isinf(read_off(-2.5)), 'No beta has a limit below -2 (question 5).'
