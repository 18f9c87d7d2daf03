from otter.test_files import test_case

OK_FORMAT = False

name = "q5"
points = [0, 0]

@test_case(name="one layer by hand", hidden=False)
def test_one_layer_by_hand(logits, step):
    import torch
    zero, sigma = ([torch.zeros(4, 4, dtype=torch.float64)], torch.tensor([[[0, 1]]]))
    z = logits(zero, sigma)
    assert len(z) == 1, f'k = 1 has one layer and one list entry; yours has {len(z)}.'
    assert z[0].shape == (1, 2, 2), f'Shape (n, T, N) = (1, 2, 2); yours is {tuple(z[0].shape)}.'
    assert torch.allclose(z[0], torch.full_like(z[0], 0.5)), 'Even attention: logits 1/2.'
    W, = step(zero, sigma, [torch.tensor([[[1, 0]]])], [1.0], 3.0)
    truth = torch.tensor([[-1.5, 1.5], [1.5, -1.5]], dtype=torch.float64)
    assert torch.allclose(W, truth.repeat(2, 2)), f'Query 0 has the label 1, which key 1 says, and query 1 the label 0. So each of the four blocks is C = 3 times (-1/2, 1/2; 1/2, -1/2). Yours is {W.tolist()}.'
    assert not zero[0].any(), 'step has changed the matrices that it was given.'
    assert not W.requires_grad, 'The new matrices must not require a gradient.'

@test_case(name="two sharp layers", hidden=False)
def test_two_sharp_layers(logits):
    import torch
    pi, sigma = (torch.tensor([[1, 2, 0], [0, 1, 2]]), torch.tensor([[[0, 1, 2], [2, 0, 1]]]))
    W1 = torch.zeros(12, 12, dtype=torch.float64)
    W2 = torch.zeros(18, 18, dtype=torch.float64)
    for i in range(2):
        for j in range(3):
            W1[3 * i + pi[i, j], 3 * i + j] = 60.0
            W2[3 * (1 - i) + j, 12 + 3 * i + j] = 60.0
    one, two = logits([W1, W2], sigma)
    assert one[0].argmax(1).tolist() == [1, 2, 0, 2, 0, 1], 'hop 1 is sigma_i(pi_i(j)).'
    assert two[0].argmax(1).tolist() == [0, 1, 2, 0, 1, 2], 'Here hop 2 brings every start back. Layer 2 must read block O_1, not block V.'
    assert torch.allclose(two.sum(2), torch.ones(1, 6, dtype=torch.float64)), 'Attention averages one-hot vectors, so the logits of every token sum to 1.'
