from otter.test_files import test_case

OK_FORMAT = False

name = "q7"
points = [0, 0, 0]

@test_case(name="nine members", hidden=False)
def test_nine_members(bound, parity_bound):
    got = bound(2, 4, 0.5)
    assert abs(got - 2 / 3) < 1e-12, f'N = 4, k = 2: 9 members, all but one must go, and one query excludes at most (N - 1)/tau^2 = 12 of them. 8/12, not {got}.'
    got = parity_bound(4, 2, 0.5)
    assert abs(got - 5 / 4) < 1e-12, f'd = 4, k = 2: 6 parities, 5 must go, and one query excludes at most 4. 5/4, not {got}.'

@test_case(name="where it speaks", hidden=False)
def test_where_it_speaks(first_length):
    assert first_length(2, 1.0) is None, 'N = 2: the family has one member, and the bound is 0.'
    got = first_length(3, 1.0)
    assert got == 2, f'N = 3, tolerance 1: k = 1 gives half a query, k = 2 one and a half. So 2, not {got}.'

@test_case(name="bits", hidden=False)
def test_bits(as_many_bits):
    assert as_many_bits(2, 2) == 2, 'N = 2: the bound is 0, and so is that for d = k bits.'
    got = as_many_bits(2, 4)
    assert got == 4, f'(9 - 1)/3 is between 2 and 3. Pairs of 3 bits: 3 less one is too few; of 4: 6 less one. 4 bits, not {got}.'
