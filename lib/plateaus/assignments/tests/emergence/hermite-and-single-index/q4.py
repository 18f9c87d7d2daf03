from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = [0, 0, 0]

@test_case(name="loss and drift of h 2", hidden=False)
def test_loss_and_drift_of_h_2(loss, drift):
    import numpy as np
    assert np.isclose(loss(0.5, [0.0, 0.0, 1.0]), -0.25), 'For h_2 the loss is -M².'
    assert np.isclose(loss(0.5, [3.0, 0.0, 2.0]), -10), '-(3² + 2²·0.5²) = -10: c_0 counts.'
    assert np.isclose(drift(0.5, [3.0, 0.0, 1.0]), 0.75), 'For h_2 at M = 0.5 the loss has slope -1, and on the sphere M moves at 3/4 of that: 0.75. With 1 you have left the sphere.'

@test_case(name="arrays", hidden=False)
def test_arrays(loss, drift):
    import numpy as np
    M = np.array([[0.1, 0.2, 0.3]])
    shapes = [np.shape(f(M, [0.0, 1.0, 1.0])) for f in (loss, drift)]
    assert shapes == [(1, 3), (1, 3)], f'A number for each entry of M, (1, 3); yours are {shapes}.'

@test_case(name="time of h 2", hidden=False)
def test_time_of_h_2(flow_time):
    import numpy as np
    time = flow_time([0.0, 0.0, 1.0], np.sqrt(0.2), np.sqrt(0.5))
    assert np.isclose(time, np.log(2) / 2), f'For h_2, M²/(1 - M²) grows like e^(4t). From M² = 1/5 to 1/2 it goes from 1/4 to 1, which takes log(4)/4; yours takes {time}.'
    assert flow_time([1.0, 0.0, 0.0], 0.1, 0.5) == np.inf, 'A constant never learns.'
