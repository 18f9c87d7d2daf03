"""Compiled functions are kept on the disk where that is possible and safe."""

from plateaus._compiled import compiled


@compiled
def double(x):
    return 2 * x


def kept(function):
    return type(function._cache).__name__ != "NullCache"


def test_a_plain_function_is_kept():
    assert double(3) == 6
    assert kept(double)


def test_one_that_encloses_a_compiled_one_is_not():
    inner = double

    @compiled
    def outer(x):
        return inner(x) + 1

    assert outer(3) == 7
    assert not kept(outer)


def test_one_that_encloses_a_number_is():
    shift = 5

    @compiled
    def shifted(x):
        return x + shift

    assert shifted(3) == 8
    assert kept(shifted)


def test_where_there_is_no_file_it_is_made_anew():
    space = {}
    exec("def half(x):\n    return x / 2", space)
    half = compiled(space["half"])
    assert half(3) == 1.5
    assert not kept(half)
