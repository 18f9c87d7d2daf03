from otter.test_files import test_case

OK_FORMAT = False

name = "q6"
points = [0, 0]

@test_case(name="sharp attention is exact", hidden=False)
def test_sharp_attention_is_exact(transformer):
    import numpy as np
    pi, sigma = (np.array([[1, 2, 0], [2, 0, 1]]), np.array([[0, 2, 1], [1, 0, 2]]))
    out = transformer(pi, sigma, 60.0)
    assert out.shape == (6, 6), f'A row and a column for each of T = 6 tokens; yours is {out.shape}.'
    assert np.allclose(out.sum(axis=1), 1), 'Every row is an average of one-hot vectors; it sums to 1.'
    assert np.allclose(out, np.eye(6), atol=1e-06), 'For this input hop_i^2 is the identity, so every token ends with its own position.'

@test_case(name="four rows", hidden=False)
def test_four_rows(transformer):
    import numpy as np
    still, turn = ([0, 1, 2], [1, 2, 0])
    pi, sigma = (np.array([still, turn, still, turn]), np.array([turn, still, still, still]))
    out = transformer(pi, sigma, 60.0).argmax(axis=1).reshape(4, 3)
    assert np.array_equal(out, np.arange(12).reshape(4, 3)), f'Four steps turn three times, which is the identity, so every token ends with its own position; yours end at {out.tolist()}. If a join goes back a row, some steps are taken twice.'
