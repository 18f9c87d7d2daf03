r"""Exact Hermite expansions of functions on the line, in SymPy.

The Gaussian measure N(0, 1) has the orthonormal polynomials

    h_k = He_k / √k!,   Σ_k t^k/√k! h_k(x) = exp(t x − t²/2),   E[h_j(z) h_k(z)] = δ_jk,

and a function f with E f(z)² < ∞ has the expansion f = Σ_k c_k h_k with c_k = E[f(z) h_k(z)]. Its
information exponent is the smallest k ≥ 1 with c_k ≠ 0 (Ben Arous, Gheissari and Jagannath, 2021).

Where f is made of pieces x^p exp(a x² + b x), the c_k come from closed integrals (`_gaussian`).
In this form square-integrability (Re a < 1/4 on an unbounded piece) and constancy are decided, not
guessed. What does not take this form goes to `sympy.integrate`, and a result is believed only where
quadrature agrees; such an f is constant if f' = 0 and its values on both sides of every point where
it may jump agree to 20 digits. Chapter: Hermite expansions and the information exponent.
"""

import itertools
import operator
import warnings
from collections.abc import Iterator

import scipy.integrate
import sympy as sp
from sympy.core.function import AppliedUndef

from plateaus.emergence._gaussian import (
    _KINKS,
    _between,
    _difference,
    _inside,
    _is_zero,
    _limit,
    _moments,
    _negative,
    _Outside,
    _Piece,
    _pieces,
    _poles,
    _real,
    _roots,
    _switches,
    _tidy,
    _valid,
)

_PATIENCE = 40
"""The last coefficient tried of a function that has no closed form: it may be constant."""


def hermite(k: int, x: sp.Expr) -> sp.Expr:
    """The Hermite polynomial h_k = He_k/√k!, orthonormal under N(0, 1).

    Arguments:
        k: the degree, an integer ≥ 0.
        x: a symbol, or any expression.

    Returns:
        h_k(x), exact; its leading coefficient 1/√k! is positive.

    Raises:
        ValueError: `k` is no integer ≥ 0.
    """
    x = sp.sympify(x)
    return _he(_degree("k", k), x) / sp.sqrt(sp.factorial(k))


def expand(expr: sp.Expr, x: sp.Symbol, degree: int) -> tuple[sp.Expr, ...]:
    """The first Hermite coefficients c_j = E[f(z) h_j(z)], z ~ N(0, 1), exactly.

    Arguments:
        expr: f, a real expression in `x` alone, square-integrable under N(0, 1). A float in it is
            read as the decimal that it prints: 0.1 is 1/10.
        x: its variable, a symbol that is free to take every real value.
        degree: the last j, an integer ≥ 0.

    Returns:
        (c_0, …, c_degree), without floats and without unevaluated integrals.

    Raises:
        ValueError: `degree` is no integer ≥ 0; `x` is no such symbol; `expr` has other symbols, is
            not real or not square-integrable, or has no closed form that SymPy finds.
    """
    degree = _degree("degree", degree)
    function = _Function(expr, x)
    return tuple(_tidy(c) for c in function.coefficients(degree))


def information_exponent(expr: sp.Expr, x: sp.Symbol) -> int | sp.Expr:
    """The smallest k ≥ 1 with c_k ≠ 0.

    The degree 0 does not count: adding a constant to f changes nothing. A coefficient that has no
    closed form is integrated numerically, which can show that it is not 0.

    Arguments:
        expr: as for `expand`.
        x: as for `expand`.

    Returns:
        An integer, or SymPy's `oo` where `expr` is constant.

    Raises:
        ValueError: as for `expand`, but a closed form is needed only where a coefficient is 0.
    """
    function = _Function(expr, x)
    if function.constant:
        return sp.oo
    # A square-integrable function that is not constant has a coefficient c_k ≠ 0 with k ≥ 1.
    return next(k for k in itertools.count(1) if not function.vanishes(k))


class _Function:
    """A function of the line that was found valid, and its coefficients so far."""

    def __init__(self, expr: sp.Expr, x: sp.Symbol) -> None:
        self.expr, self.x = _validated(expr, x)
        self.shown = sp.sstr(expr)
        self._known: list[sp.Expr] = []
        self.pieces: list[_Piece] | None = None
        try:
            pieces = list(_pieces(self.expr, self.x, -sp.oo, sp.oo))
            for piece in pieces:
                self._admit(piece)
            self.pieces = pieces
        except _Outside:
            self._admit_otherwise()
        self.constant = self._is_constant()
        self.parity = 0 if self.constant else self._parity()

    def coefficients(self, degree: int) -> list[sp.Expr]:
        """c_0, …, c_degree, exact but perhaps not yet in their simplest form."""
        if not self._from_pieces(degree):
            self._known += [self._from_sympy(j) for j in range(len(self._known), degree + 1)]
        return self._known[: degree + 1]

    def vanishes(self, k: int) -> bool:
        """Whether c_k = 0."""
        if self.parity == -((-1) ** k):
            return True
        # in batches, since one pass over the pieces yields all degrees up to its last
        if self._from_pieces(max(8, 1 << k.bit_length())):
            return _is_zero(self._known[k])
        if k > _PATIENCE:
            raise ValueError(
                f"c_1, …, c_{_PATIENCE} of {self.shown} all look like 0; {_valid(self.x)}."
            )
        value, error = self._quadrature(k)
        if abs(value) > 100 * error + 1e-9:
            return False
        return _is_zero(self.coefficients(k)[k])

    def _from_pieces(self, degree: int) -> bool:
        """Find c_0, …, c_degree by the closed formulas; False, for good, where these fail."""
        if self.pieces is None or len(self._known) > degree:
            return self.pieces is not None
        total = [sp.Integer(0)] * (degree + 1)
        try:
            for left, right, mirrored, terms in self.pieces:
                for (p, a, b, g), factor in terms.items():
                    moments = _moments(p, a, b, g, left, right, self.x, degree + 1)
                    for j in range(degree + 1):
                        value = sum(c * moments[i] for i, c in _he_coefficients(j))
                        total[j] += (-1) ** (j * mirrored) * factor * value
            total = [_real(sp.expand(c / sp.sqrt(sp.factorial(j)))) for j, c in enumerate(total)]
        except _Outside:
            self.pieces = None
            return False
        self._known = total
        return True

    def _from_sympy(self, j: int) -> sp.Expr:
        if self.parity == -((-1) ** j):
            return sp.Integer(0)
        line = (self.x, -sp.oo, sp.oo)
        try:
            value = _real(sp.integrate(self._weighted(j), line, meijerg=True))
            exact = not value.has(sp.Integral, sp.nan, sp.oo, sp.zoo)
            expected, error = self._quadrature(j)
            if exact and abs(complex(value.evalf(20)) - expected) < 1e-8 + 10 * error:
                return value
        except (NotImplementedError, TypeError, ValueError, AttributeError, _Outside):
            pass  # SymPy's integrator gives up in several ways
        raise ValueError(
            f"no closed form was found for the Hermite coefficient c_{j} of {self.shown}; "
            f"{_valid(self.x)}."
        )

    def _quadrature(self, k: int) -> tuple[float, float]:
        """c_k in floating point, and an estimate of its error."""
        weighted = sp.lambdify(self.x, self._weighted(k), ["scipy", "numpy"])
        value = error = 0.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a kink inside a unit interval: the error shows it
            try:
                for start in range(-12, 12):
                    part, doubt = scipy.integrate.quad(weighted, start, start + 1)
                    value, error = value + part, error + doubt
            except (NameError, TypeError, ArithmeticError) as failure:
                raise ValueError(
                    f"{self.shown} could not be evaluated; {_valid(self.x)}."
                ) from failure
        return value, error

    def _weighted(self, k: int) -> sp.Expr:
        """The product f h_k φ, whose integral is c_k."""
        density = sp.exp(-(self.x**2) / 2) / sp.sqrt(2 * sp.pi)
        return self.expr * hermite(k, self.x) * density

    def _admit(self, piece: _Piece) -> None:
        """Raise unless f² is integrable on the piece; `_Outside` where the form can't tell."""
        conjugate = {tuple(map(sp.conjugate, k)): sp.conjugate(c) for k, c in piece.terms.items()}
        if _difference(piece.terms, conjugate):
            raise self._not_real()
        for _, a, b, g in piece.terms:
            for end, inward in ((piece.right, -1), (piece.left, 1)):
                if end.is_finite:
                    continue
                growth, drift = sp.re(a) - sp.Rational(1, 4), inward * sp.re(b)
                if _negative(growth) or (_is_zero(growth) and not _is_zero(drift) and drift > 0):
                    continue
                if g != 1:
                    raise _Outside
                raise self._not_square_integrable()
        if any(key[0] <= -sp.Rational(1, 2) for key in piece.terms) and piece.left == 0:
            value = sum(c * self._term(key) for key, c in piece.terms.items())
            if _limit(value * sp.sqrt(self.x), self.x, sp.Integer(0), "+") != 0:
                raise self._not_square_integrable()
            raise _Outside  # the poles cancel, as in sin(x)/x

    def _admit_otherwise(self) -> None:
        """Raise unless limits at the poles and at ±∞ show that E f² < ∞."""
        f, x = self.expr, self.x
        try:
            for at in _SAMPLE:
                if abs(sp.im(f.subs(x, at).evalf(15))) > 1e-12:
                    raise self._not_real()
            # The first weight is necessary, as ∫ dx/x diverges at 0 and at ∞; the second suffices.
            tail = sp.exp(-(x**2) / 4)
            weights = [(end, side, sp.sqrt(abs(x)) * tail, x * tail) for end, side in _ENDS]
            for p, side in itertools.product(_poles(f, x), "+-"):
                weights.append((p, side, sp.sqrt(abs(x - p)), abs(x - p) ** sp.Rational(9, 20)))
            for at, side, necessary, sufficient in weights:
                if _limit(f * necessary, x, at, side) != 0:
                    raise self._not_square_integrable()
                if not _limit(f * sufficient, x, at, side).is_finite:
                    raise _Outside
        except _Outside as error:
            raise ValueError(
                f"whether {self.shown} is square-integrable under N(0, 1) could not be decided; "
                f"{_valid(self.x)}."
            ) from error

    def _not_real(self) -> ValueError:
        return ValueError(f"{self.shown} is not real for every real {self.x}; {_valid(self.x)}.")

    def _not_square_integrable(self) -> ValueError:
        return ValueError(f"{self.shown} is not square-integrable under N(0, 1); {_valid(self.x)}.")

    def _term(self, key: tuple[sp.Expr, sp.Expr, sp.Expr, sp.Expr]) -> sp.Expr:
        p, a, b, g = key
        return self.x**p * sp.exp(a * self.x**2 + b * self.x) * (1 if g == 1 else sp.erf(g))

    def _is_constant(self) -> bool:
        if self.pieces is None:
            return self._is_flat()
        first = self.pieces[0].terms.get(_ONE, sp.Integer(0))
        return all(
            not _difference(piece.terms, {_ONE: first} if first != 0 else {})
            for piece in self.pieces
        )

    def _is_flat(self) -> bool:
        """Whether f' = 0, and f takes one value on both sides of every point where it may jump."""
        f, x = self.expr, self.x
        if sp.simplify(f.diff(x)) != 0:
            return False
        inner = [g for kink in f.atoms(*_KINKS) for g in _switches(kink)]
        inner += [g.args[0] for g in f.atoms(sp.acot)]
        try:
            cuts = _poles(f, x) + [root for g in inner for root in _roots(g, x)]
        except _Outside as error:
            raise ValueError(
                f"whether {self.shown} is constant could not be decided; {_valid(x)}."
            ) from error
        points = [*_SAMPLE, *(_inside(a, b) for a, b in _between(-sp.oo, sp.oo, cuts))]
        values = [f.subs(x, at).evalf(30) for at in points]
        return all(abs(value - values[0]) < 1e-20 for value in values)

    def _parity(self) -> int:
        """1 for even, −1 for odd, 0 for neither or not known."""
        f, x = self.expr, self.x
        mirror = f.subs(x, -x)
        for sign in (1, -1):
            if sp.expand(mirror - sign * f) == 0:
                return sign
        if self.pieces is None:
            for sign in (1, -1):
                if sp.simplify(mirror - sign * f) == 0:
                    return sign
        return 0


_ONE = (sp.Integer(0), sp.Integer(0), sp.Integer(0), sp.Integer(1))
"""The key of a constant."""

_ENDS = ((sp.oo, "-"), (-sp.oo, "+"))

_SAMPLE = tuple(map(sp.Rational, ("0.29", "3.7", "50.1", "-0.29", "-3.7", "-50.1")))
"""Points of both signs, at which few expressions are special."""


def _degree(name: str, value: int) -> int:
    try:
        degree = operator.index(value)
    except TypeError:
        degree = -1
    if degree < 0 or isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; valid is an integer ≥ 0.")
    return degree


def _validated(expr: sp.Expr, x: sp.Symbol) -> tuple[sp.Expr, sp.Symbol]:
    """The expression, without floats, of a symbol that SymPy knows to be real; that symbol."""
    if not isinstance(x, sp.Symbol):
        raise ValueError(f"x is {x!r}; valid is a SymPy symbol.")
    if x.is_real is False or any(
        known is not None for known in (x.is_positive, x.is_negative, x.is_zero, x.is_integer)
    ):
        raise ValueError(f"the symbol {x} carries assumptions; valid is one free to be any real.")
    try:
        f = sp.sympify(expr, strict=True)
    except sp.SympifyError:
        f = None
    if not isinstance(f, sp.Expr):
        raise ValueError(f"expr is {expr!r}; valid is a SymPy expression in {x}.")
    if others := sorted(map(str, f.free_symbols - {x})):
        raise ValueError(
            f"{sp.sstr(expr)} depends on {', '.join(others)} besides {x}; give each a number first."
        )
    f = sp.nsimplify(f, rational=True) if f.has(sp.Float) else f
    real = sp.Symbol(x.name, real=True)
    f = f.subs(x, real).doit()  # sqrt(x**2) becomes Abs(x) here
    if f.has(sp.nan, sp.oo, sp.zoo, sp.DiracDelta, sp.Integral, AppliedUndef):
        raise ValueError(f"{sp.sstr(expr)} is not a function with finite values; {_valid(x)}.")
    return f, real


def _he_coefficients(k: int) -> Iterator[tuple[int, int]]:
    """He_k = Σ c x^i: the pairs (i, c) of integers."""
    c = 1
    for i in range(k, -1, -2):
        yield i, c
        m = (k - i) // 2 + 1
        c = -c * i * (i - 1) // (2 * m)


def _he(k: int, x: sp.Expr) -> sp.Expr:
    return sp.Add(*(c * x**i for i, c in _he_coefficients(k)))
