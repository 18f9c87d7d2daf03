from otter.test_files import test_case

OK_FORMAT = False

name = "q7"
points = [0, 0]

@test_case(name="one layer", hidden=False)
def test_one_layer(train, accuracy, n_95):
    import math
    from itertools import permutations
    import torch
    pi = torch.tensor([[1, 2, 0]])
    sigma = torch.tensor(list(permutations(range(3))))[:, None]
    Ws = train(pi, sigma, [[1.0]], 30.0)
    assert [tuple(W.shape) for W in Ws] == [(6, 6)], 'One layer, which reads blocks P and V: (6, 6).'
    assert math.isclose(float(Ws[0][1, 0]), 20, rel_tol=1e-06), 'Over all inputs entry (pi(0), 0) of [P, P] is 1 - 1/3; the step makes it C = 30 times that.'
    assert accuracy(Ws, pi, sigma)[0] == 1, 'Trained on all inputs, it answers all of them.'
    assert math.isclose(n_95(2, 4), 37.4312, rel_tol=0.0001), f'n_95(2, 4) is 37.43, not {n_95(2, 4)}.'

@test_case(name="hard examples never suffice", hidden=False)
def test_hard_examples_never_suffice(smallest):
    import torch
    pi = torch.tensor([[1, 2, 0], [1, 0, 2]])
    source = torch.Generator().manual_seed(1)
    sigma, tests = (torch.rand(n, 2, 3, generator=source).argsort(2) for n in (64, 40))
    assert smallest(pi, sigma, tests, [[0, 1], [0, 1]], 30.0, [8, 64]) is None, 'From hard examples alone no number of inputs is enough: None.'
