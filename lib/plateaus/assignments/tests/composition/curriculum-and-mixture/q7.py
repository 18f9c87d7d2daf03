from otter.test_files import test_case

OK_FORMAT = False

name = "q7"
points = [0, 0, 0, 0]

@test_case(name="train one layer", hidden=False)
def test_train_one_layer(train):
    import math
    from itertools import permutations
    import torch
    pi = torch.tensor([[1, 2, 0]])
    sigma = torch.tensor(list(permutations(range(3))))[:, None]
    Ws = train(pi, sigma, [[1.0]], 30.0)
    assert [tuple(W.shape) for W in Ws] == [(6, 6)], 'One layer, which reads P and V: (6, 6).'
    assert math.isclose(float(Ws[0][1, 0]), 20, rel_tol=1e-06), 'Over all inputs entry (pi(0), 0) of [P, P] is 1 - 1/3; the step makes it 30 times that.'

@test_case(name="accuracy of one layer", hidden=False)
def test_accuracy_of_one_layer(accuracy):
    from itertools import permutations
    import torch
    sigma = torch.tensor(list(permutations(range(3))))[:, None]
    W = torch.zeros(6, 6, dtype=torch.float64)
    for j, key in enumerate([1, 2, 0]):
        W[key, j] = 50.0
    assert list(accuracy([W], torch.tensor([[1, 2, 0]]), sigma)) == [1], 'Each start finds its key, so all answers are right.'
    third = float(accuracy([W], torch.tensor([[1, 0, 2]]), sigma)[0])
    assert abs(third - 1 / 3) < 1e-06, f'If the truth is pi = (1, 0, 2), this layer is right at start 0 only: 1/3, not {third}.'

@test_case(name="prediction", hidden=False)
def test_prediction(n_95):
    import math
    found = float(n_95(2, 4))
    assert math.isclose(found, 37.4312, rel_tol=0.0001), f'n_95(2, 4) is 37.43, not {found:.2f}.'

@test_case(name="hard examples never suffice", hidden=False)
def test_hard_examples_never_suffice(smallest):
    import torch
    pi = torch.tensor([[1, 2, 0], [1, 0, 2]])
    source = torch.Generator().manual_seed(1)
    sigma, tests = (torch.rand(n, 2, 3, generator=source).argsort(2) for n in (256, 40))
    hard, curriculum = ([[0, 1], [0, 1]], [[1, 0], [0, 1]])
    found = smallest(pi, sigma, tests, curriculum, 30.0, [1, 256])
    assert found == 256, f'One input a step is too few, 256 are enough; yours is {found}.'
    assert smallest(pi, sigma, tests, hard, 30.0, [1, 256]) is None, 'From hard examples alone no number of inputs is enough: None.'
