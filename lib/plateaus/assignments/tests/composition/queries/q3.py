from otter.test_files import test_case

OK_FORMAT = False

name = "q3"
points = [0, 0]

@test_case(name="shared values", hidden=False)
def test_shared_values(correlation):
    from fractions import Fraction
    import numpy as np
    pi = np.array([[0, 1, 2, 3], [1, 0, 3, 2]])
    rho = np.array([[0, 1, 3, 2], [1, 2, 3, 0]])
    got = correlation(pi, rho)
    assert got == Fraction(1, 12), f'A task agrees with itself always, 3/4 more than chance. Each of these steps shares two values, and keeps a third of that: Fraction(1, 12). Yours is {got}.'
    rho = np.array([[0, 1, 2, 3], [1, 2, 0, 3]])
    assert correlation(pi, rho) == 0, 'One shared value in one step hides all the others.'

@test_case(name="two things", hidden=False)
def test_two_things(typical):
    from fractions import Fraction
    square, silent = typical(3, 2)
    assert square == Fraction(1, 4), f'With N = 2 the correlation of two tasks is 1/2 or -1/2; its square is 1/4, not {square}.'
    assert silent == 0, 'With N = 2 two permutations share two values or none, never one.'
    square, silent = typical(1, 3)
    assert silent == Fraction(1, 2), 'Of the 6 permutations of 3 things, the 3 transpositions fix exactly one.'
