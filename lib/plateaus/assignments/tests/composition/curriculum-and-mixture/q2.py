from otter.test_files import test_case

OK_FORMAT = False

name = "q2"
points = [0, 0]

@test_case(name="two tokens at zero", hidden=False)
def test_two_tokens_at_zero(read, descent):
    import torch
    X = torch.eye(2, dtype=torch.float64)[None]
    v, W = (X.clone(), torch.zeros(2, 2, dtype=torch.float64))
    z = torch.as_tensor(read(W, X, v))
    assert z.shape == (1, 2, 2), f'z has shape (n, T, N) = (1, 2, 2); yours has {tuple(z.shape)}.'
    assert torch.allclose(z, torch.full_like(z, 0.5)), 'At W = 0 every query reads the mean of v.'
    G = torch.as_tensor(descent(W, X, v, torch.tensor([[0, 0]])))
    truth = torch.tensor([[0.5, 0.5], [-0.5, -0.5]], dtype=torch.float64)
    assert torch.allclose(G, truth), f'Both queries want what key 0 says, so both columns are (1/2, -1/2); yours is {G.tolist()}. If it is transposed, the key is on the right; if it is 2 or 4 times smaller, a factor T is missing; if its columns are (1, 0), the mean was not taken off.'

@test_case(name="two tokens half sharp", hidden=False)
def test_two_tokens_half_sharp(read, descent):
    import math
    import torch
    X = torch.eye(2, dtype=torch.float64)[None]
    W = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]], dtype=torch.float64)
    z = torch.as_tensor(read(W, X, X.clone()))
    assert torch.allclose(z[0, 0], torch.tensor([0.75, 0.25], dtype=torch.float64)), 'Query 0 gives key 0 the score log 3 and key 1 the score 0: it reads 3/4 and 1/4.'
    G = torch.as_tensor(descent(W, X, X.clone(), torch.tensor([[0, 0]])))
    assert torch.allclose(G[:, 0], torch.tensor([0.375, -0.375], dtype=torch.float64)), f'Query 0 has 3/4 of what it wants, and its column is (3/8, -3/8); yours is {G[:, 0].tolist()}. At W = 0 it would be (1/2, -1/2).'
