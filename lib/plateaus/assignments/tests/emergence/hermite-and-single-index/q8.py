from otter.test_files import test_case

OK_FORMAT = False

name = "q8"
points = [0, 0, 0]

@test_case(name="critical step of h 2", hidden=False)
def test_critical_step_of_h_2(critical_step):
    import numpy as np
    eta = critical_step([0.0, 0.0, 1.0], 50)
    assert np.isclose(eta, 2 / 50), f'For h_k chapter 9 has 2 d^(-k/2), here 2/50; yours is {eta}.'
    eta = critical_step([1.0, 0.0, 1.0], 50)
    assert np.isclose(eta, 1 / 50), f"1 + h_2: the label's mean doubles E y² and halves the step, to 1/50; yours is {eta}."

@test_case(name="prediction of h 2", hidden=False)
def test_prediction_of_h_2(predicted):
    import numpy as np
    steps = predicted([0.0, 0.0, 1.0], 9, 0.1)
    truth = np.log(8 / 3) / 4 / 0.1 / (2 / 9)
    assert np.isclose(steps, truth), f'From M² = 1/9 to 1/4, M²/(1 - M²) grows from 1/8 to 1/3: log(8/3)/4 in flow time; with steps of 0.1·2/9 these are {truth:.2f}. Yours is {steps}.'

@test_case(name="a power", hidden=False)
def test_a_power(power):
    import numpy as np
    assert np.isclose(power([10, 100, 1000], [3, 300, 30000]), 2), '3, 300, 30000 grow by a factor of 100 where d grows by 10: the exponent is 2.'
