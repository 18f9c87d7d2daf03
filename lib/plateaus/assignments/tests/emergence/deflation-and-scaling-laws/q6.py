from otter.test_files import test_case

OK_FORMAT = False

name = "q6"
points = [0, 0, 0]

@test_case(name="times of two skills", hidden=False)
def test_times_of_two_skills(step_times):
    import numpy as np
    a, M = (np.array([0.8, 0.6]), np.array([[0.1, 0.5], [0.5, -0.1]]))
    mine = step_times(a, M, 0.006)
    assert np.allclose(mine, [1.85692, 2.35603], atol=0.0001), f'Neuron 1 learns skill 0, and neuron 0 learns skill 1, both from M = 1/2. They emerge at 0.4842 and 0.6455; the lags are log(0.8/0.006)/3.2 = 1.5290 and log(100)/2.4 = 1.9188; 0.1563 and 0.2083 are taken off. Yours: {mine}.'
    assert list(np.isinf(step_times(a, M[:1], 0.006))) == [True, False], 'With neuron 0 alone skill 0 has no neuron: its time is infinite.'

@test_case(name="two steps", hidden=False)
def test_two_steps(staircase):
    import numpy as np
    a = np.array([0.8, 0.6])
    mine = staircase(np.array([0.0, 1.0, 2.0, 3.0]), a, np.array([3.0, 1.0]))
    assert np.allclose(mine, [0.5, 0.32, 0.32, 0]), f'The loss starts at 1/2 = 0.32 + 0.18. At t = 1 skill 1 leaves with its 0.18, at t = 3 skill 0. At its own time a skill is gone. Yours: {mine}.'

@test_case(name="one neuron on the weaker skill", hidden=False)
def test_one_neuron_on_the_weaker_skill(price):
    import numpy as np
    mine = price(np.array([0.8, 0.6]), np.array([[0.1, 0.5]]))
    assert np.isclose(mine, 16 / 9), f'The neuron learns skill 1, and 0.32 is left. The best single neuron would be on skill 0 and leave 0.18. So the price is 16/9; yours is {mine}.'
