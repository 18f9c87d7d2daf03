from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = [0, 0]

@test_case(name="two neurons share", hidden=False)
def test_two_neurons_share(masses, half_time):
    import numpy as np
    s0 = np.array([0.1, 0.1])
    assert np.allclose(masses(0.0, 1.0, s0), s0), 'At t = 0 the masses are those of the start.'
    mine = masses(np.log(4) / 4, 1.0, s0)
    assert np.allclose(mine, 0.25), f'With a = 1 and two masses of 0.1 the total is 1/5. Then (a - total)/total is 4, and it falls at the rate 4: at t = log(4)/4 it is 1, so the total is 1/2, and each has 1/4; yours are {mine}. If each grew as though alone, both would have 0.308 by then.'
    assert np.isclose(half_time(1.0, 0.2), np.log(4) / 4), 'The same two neurons: their total is a/2 at log(4)/4 = 0.3466.'

@test_case(name="what a skill leaves", hidden=False)
def test_what_a_skill_leaves(skill_loss):
    import numpy as np
    assert np.isclose(skill_loss(0.8, 0.0, 0.0, 4), 0.32), 'Nothing learned: half of 0.8².'
    assert np.isclose(skill_loss(0.8, 1.0, 0.8, 4), 0), 'On the skill, with its mass: nothing left.'
    mine = skill_loss(0.8, 0.25, 0.8, 4)
    assert np.isclose(mine, 0.6), f'A neuron of mass 0.8 at y = 1/4, M = 1/2: two functions of squared length 0.64 and inner product 0.64/16 = 0.04. Half of their squared distance is 0.6; yours is {mine}.'
