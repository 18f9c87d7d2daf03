from otter.test_files import test_case

OK_FORMAT = False

name = "q4"
points = [0, 0, 0]

@test_case(name="where keys stand", hidden=False)
def test_where_keys_stand(right_key):
    import torch
    pi, sigma = (torch.tensor([[1, 0], [0, 1]]), torch.tensor([[[1, 0], [1, 0]]]))
    one = torch.as_tensor(right_key(pi, sigma, 1))
    assert one.tolist() == [[1, 0, 2, 3]], f'Row 0 of pi exchanges 0 and 1, row 1 does not: 1, 0, 2, 3; yours are {one.tolist()}.'
    two = torch.as_tensor(right_key(pi, sigma, 2))
    assert two.tolist() == [[2, 3, 1, 0]], f'Query (0, 0) holds the span 0 and looks for (1, 0), position 2; query (1, 0) holds 1 and, going around, looks for (0, 1), position 1. Yours are {two.tolist()}.'

@test_case(name="margin of two keys", hidden=False)
def test_margin_of_two_keys(margin):
    import math
    import torch
    X = torch.eye(2, dtype=torch.float64)[None]
    G = torch.tensor([[5.0, 1.0], [2.0, 4.0]], dtype=torch.float64)
    lead = float(margin(G, X, torch.tensor([[0, 1]])))
    assert math.isclose(lead, 3), f'Query 0 has the scores 5 and 2, query 1 has 1 and 4 (columns of G): both leads are 3; yours is {lead}. With rows for queries they would be 4 and 2.'
    lead = float(margin(G, X, torch.tensor([[0, 0]])))
    assert math.isclose(lead, -3), 'If the right key of query 1 is key 0, it trails by 3: -3.'

@test_case(name="closed forms", hidden=False)
def test_closed_forms(mu, share):
    import math
    import torch
    pi = torch.tensor([[1, 0, 2, 3], [1, 2, 3, 0]])
    assert math.isclose(float(mu(pi)), 5 / 12, rel_tol=1e-06), 'Fixed points 2 and 0 of 4: gamma = 1/3 and -1/3, of which only a positive one harms.'
    assert math.isclose(float(share(0.0, 2, 4)), 1 / 8), 'No weight, no step: one key in T = 8.'
