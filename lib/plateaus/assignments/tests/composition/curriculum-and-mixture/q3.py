from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = [0, 0]

@test_case(name="reads of one input", hidden=False)
def test_reads_of_one_input(reads):
    import torch
    pi, sigma = (torch.tensor([[1, 0], [0, 1]]), torch.tensor([[[1, 0], [1, 0]]]))
    X, v, y = (torch.as_tensor(each) for each in reads(pi, sigma, 1))
    assert X.shape == (1, 4, 8), f'T = 4 and two blocks: (1, 4, 8); yours is {tuple(X.shape)}.'
    assert X.dtype == torch.float64, f'Blocks are float64 throughout; yours is {X.dtype}.'
    assert v.shape == (1, 4, 2), f'v has shape (n, T, N) = (1, 4, 2); yours is {tuple(v.shape)}.'
    assert X[0, 2].nonzero().flatten().tolist() == [2, 7], 'Token (1, 0) stands at position 2. In row 1 sigma takes 0 to 1: place 3 of block V, which is place 4 + 3 of the vector.'
    assert v[0, 0].tolist() == [0, 1], 'Key (0, 0) says what sigma makes of 0 in row 0: 1.'
    assert y[0].tolist() == [0, 1, 1, 0], 'The labels of layer 1 are sigma_i(pi_i(j)): pi first.'
    X, v, y = (torch.as_tensor(each) for each in reads(pi, sigma, 2))
    assert X.shape == (1, 4, 12), 'Layer 2 reads three blocks: P, V and O_1.'
    assert X[0, 0].nonzero().flatten().tolist() == [0, 5, 8], 'One step leads from (0, 0) to 0.'
    assert v[0, 0].tolist() == [1, 0], 'What a key says to layer 2 is its span of one step.'
    assert y[0].tolist() == [1, 0, 1, 0], 'From (0, 0) a step leads to 0, and the next, in row 1, to 1.'

@test_case(name="expected of a cycle", hidden=False)
def test_expected_of_a_cycle(expected):
    import torch
    G = torch.as_tensor(expected(torch.tensor([[1, 2, 0]]), 1))
    assert G.shape == (6, 6), f'Two blocks of T = 3: (6, 6); yours is {tuple(G.shape)}.'
    assert torch.allclose(G[:3, 0], torch.tensor([-1, 2, -1]).double() / 3), 'Column 0 of [P, P] has 1 - 1/3 in row pi(0) = 1 and -1/3 elsewhere. If your 2/3 is in row 2, keys and queries are exchanged.'
    assert torch.allclose(G[3:, 3], torch.tensor([-2, 1, 1]).double() / 6), 'No fixed point: gamma = -1/2. So [V, V] is -1/2 times the centring.'
    assert not G[:3, 3:].any(), '[P, V] is 0 in layer 1.'
