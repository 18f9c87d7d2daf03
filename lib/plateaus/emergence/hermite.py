r"""Exact Hermite expansions of functions on the line, in SymPy.

The Gaussian measure N(0, 1) has the orthonormal polynomials

    h_k = He_k / √k!,   Σ_k t^k/√k! h_k(x) = exp(t x − t²/2),   E[h_j(z) h_k(z)] = δ_jk,

and a function f with E f(z)² < ∞ has the expansion f = Σ_k c_k h_k with c_k = E[f(z) h_k(z)]. Its
information exponent is the smallest k ≥ 1 with c_k ≠ 0 (Ben Arous, Gheissari and Jagannath, 2021).

How c_k is computed: the line is split where f has kinks, jumps or poles (Abs, sign, Heaviside, Max,
Min, Piecewise, powers), until on every piece f = Σ C x^p exp(a x² + b x), with complex a and b, so
that cos and sin are covered, and with at most one factor erf. With c = 1/2 − a, the integrals
I_n = ∫ x^n exp(−c x² + b x) dx / √(2π) over a piece follow from I_0, which is an erf, by

    2c I_{n+1} = b I_n + n I_{n−1} − [x^n exp(−c x² + b x) / √(2π)] between the piece's ends.

In this form square-integrability (Re a < 1/4 on an unbounded piece) and constancy are decided, not
guessed. What does not take this form goes to `sympy.integrate`, and a result is believed only where
quadrature agrees; such an f is constant if f' = 0 and its values on both sides of every point where
it may jump agree to 20 digits. Chapter: Hermite expansions and the information exponent.
"""

import itertools
import operator
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import scipy.integrate
import sympy as sp
from sympy.core.function import AppliedUndef

_PATIENCE = 40
"""The last coefficient tried of a function that has no closed form: it may be constant."""
_KINKS = (sp.Abs, sp.sign, sp.Heaviside, sp.Max, sp.Min, sp.Piecewise)

Terms = dict[tuple[sp.Expr, sp.Expr, sp.Expr, sp.Expr], sp.Expr]
"""Σ C x^p exp(a x² + b x) erf(g): (p, a, b, g) → C, with g = 1 for no erf at all."""


class _Piece(NamedTuple):
    """f on (left, right), or where `mirrored` f(−x) there: a piece never lies left of 0."""

    left: sp.Expr
    right: sp.Expr
    mirrored: bool
    terms: Terms


class _Outside(Exception):
    """The expression does not take the form that the closed formulas need."""


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


def _valid(x: sp.Symbol) -> str:
    return (
        f"valid is a real expression in {x} alone with E f² < ∞ under N(0, 1), such as "
        f"Max({x}, 0), cos({x}) or {x}**2*exp(-{x}**2)"
    )


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


def _pieces(f: sp.Expr, x: sp.Symbol, left: sp.Expr, right: sp.Expr) -> Iterator[_Piece]:
    """Split (left, right) until f takes the form of `Terms` on every piece."""
    kinks = f.atoms(*_KINKS)
    kink = next((k for k in _sorted(kinks) if not any(a.has(*_KINKS) for a in k.args)), None)
    if kink is not None:
        cuts = [root for g in _switches(kink) for root in _roots(g, x)]
        for lo, hi in _between(left, right, cuts):
            value = _resolved(kink, x, _inside(lo, hi))
            yield from _pieces(_cancelled(f.xreplace({kink: value}), x), x, lo, hi)
        return
    poles = [p.base for p in f.atoms(sp.Pow) if p.base.has(x) and not _whole(p.exp)]
    cuts = [root for g in poles for root in _roots(g, x)]
    for lo, hi in _between(left, right, cuts):
        mirrored = not hi.is_positive
        if mirrored:
            lo, hi = -hi, -lo
        terms = _terms(f.subs(x, -x) if mirrored else f, x, bool(lo.is_nonnegative))
        yield _Piece(lo, hi, mirrored, terms)


def _cancelled(f: sp.Expr, x: sp.Symbol) -> sp.Expr:
    """Without common factors, so that (1 − x)/(x − 1) is −1."""
    below = [p.base for p in f.atoms(sp.Pow) if p.exp.is_negative and p.exp.is_Integer]
    factors = any(g.is_Add and g.is_polynomial(x) for g in below)
    return sp.cancel(f) if factors and not f.has(*_KINKS) else f


def _sorted(kinks: set[sp.Expr]) -> list[sp.Expr]:
    return sorted(kinks, key=sp.default_sort_key)


def _whole(p: sp.Expr) -> bool:
    return bool(p.is_Integer and p >= 0)


def _switches(kink: sp.Expr) -> list[sp.Expr]:
    """The expressions whose sign decides which branch `kink` takes."""
    if isinstance(kink, sp.Max | sp.Min):
        return [f - g for f, g in itertools.combinations(kink.args, 2)]
    if isinstance(kink, sp.Piecewise):
        return [r.lhs - r.rhs for _, c in kink.args for r in c.atoms(sp.core.relational.Relational)]
    return [kink.args[0]]


def _resolved(kink: sp.Expr, x: sp.Symbol, at: sp.Expr) -> sp.Expr:
    """The branch that `kink` takes around the point `at`."""
    if isinstance(kink, sp.Max | sp.Min):
        pick = max if isinstance(kink, sp.Max) else min
        return pick(kink.args, key=lambda g: g.subs(x, at).evalf(30))
    if isinstance(kink, sp.Piecewise):
        for value, condition in kink.args:
            if condition.subs(x, at) == sp.true:
                return value
        raise ValueError(f"{sp.sstr(kink)} is undefined at {x} = {at}; {_valid(x)}.")
    positive = kink.args[0].subs(x, at).evalf(30) > 0
    if isinstance(kink, sp.Abs):
        return kink.args[0] if positive else -kink.args[0]
    if isinstance(kink, sp.sign):
        return sp.Integer(1 if positive else -1)
    return sp.Integer(1 if positive else 0)


def _roots(g: sp.Expr, x: sp.Symbol) -> list[sp.Expr]:
    if not g.has(x):
        return []
    poly = g.as_poly(x)
    if poly is not None and (poly.domain.is_ZZ or poly.domain.is_QQ):
        return list(set(sp.real_roots(poly)))
    found = sp.solveset(g, x, sp.S.Reals)
    if isinstance(found, sp.FiniteSet):
        return list(found)
    if found is sp.S.EmptySet:
        return []
    raise _Outside


def _poles(f: sp.Expr, x: sp.Symbol) -> list[sp.Expr]:
    """The points where f may be infinite: zeros under powers < 0 and in logarithms."""
    bases = [p.base for p in f.atoms(sp.Pow) if not p.exp.is_nonnegative]
    bases += [g.args[0] for g in f.atoms(sp.log)]
    bases += [sp.cos(g.args[0]) for g in f.atoms(sp.tan, sp.sec)]
    bases += [sp.sin(g.args[0]) for g in f.atoms(sp.cot, sp.csc)]
    return list({root for g in bases for root in _roots(g, x)})


def _limit(f: sp.Expr, x: sp.Symbol, at: sp.Expr, side: str) -> sp.Expr:
    try:
        return sp.limit(f, x, at, side)
    except (NotImplementedError, TypeError, ValueError, sp.PoleError) as failure:
        raise _Outside from failure


def _between(
    left: sp.Expr, right: sp.Expr, cuts: list[sp.Expr]
) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    inner = sorted({c for c in cuts if left < c < right}, key=lambda c: c.evalf(30))
    return itertools.pairwise([left, *inner, right])


def _inside(left: sp.Expr, right: sp.Expr) -> sp.Expr:
    if left.is_finite and right.is_finite:
        return (left + right) / 2
    if left.is_finite:
        return left + 1
    return right - 1 if right.is_finite else sp.Integer(0)


def _terms(e: sp.Expr, x: sp.Symbol, positive: bool) -> Terms:
    """The expression as a sum of C x^p exp(a x² + b x) erf(g), on x > 0 where `positive`."""
    zero, one = sp.Integer(0), sp.Integer(1)
    if not e.has(x):
        return _clean({_ONE: e})
    if e == x:
        return {(one, zero, zero, one): one}
    if isinstance(e, sp.Add):
        total: Terms = {}
        for part in e.args:
            for key, c in _terms(part, x, positive).items():
                total[key] = total.get(key, zero) + c
        return _clean(total)
    if isinstance(e, sp.Mul):
        product = {_ONE: one}
        for part in e.args:
            product = _times(product, _terms(part, x, positive))
        return product
    if isinstance(e, sp.exp) or (isinstance(e, sp.Pow) and not e.base.has(x)):
        exponent = e.args[0] if isinstance(e, sp.exp) else e.exp * sp.log(e.base)
        poly = sp.expand(exponent).as_poly(x)
        if poly is None or poly.degree() > 2:
            raise _Outside
        a, b, c = (poly.coeff_monomial(x**i) for i in (2, 1, 0))
        return {(zero, a, b, one): sp.exp(c)}
    if isinstance(e, sp.Pow):
        return _power(_terms(e.base, x, positive), e.exp, positive)
    if isinstance(e, sp.cos | sp.sin | sp.cosh | sp.sinh):
        return _terms(e.rewrite(sp.exp), x, positive)
    if isinstance(e, sp.erfc):
        return _terms(1 - sp.erf(e.args[0]), x, positive)
    if isinstance(e, sp.erf):
        poly = e.args[0].as_poly(x)
        if poly is None or poly.degree() > 1 or not poly.coeff_monomial(x).is_real:
            raise _Outside
        return {(zero, zero, zero, poly.as_expr()): one}
    raise _Outside


def _times(f: Terms, g: Terms) -> Terms:
    product: Terms = {}
    for (p, a, b, u), c in f.items():
        for (q, s, t, v), d in g.items():
            if u != 1 and v != 1:
                raise _Outside
            key = (p + q, _number(a + s), _number(b + t), u * v)
            product[key] = product.get(key, sp.Integer(0)) + c * d
    return _clean(product)


def _power(base: Terms, n: sp.Expr, positive: bool) -> Terms:
    if _whole(n):
        result = {_ONE: sp.Integer(1)}
        for bit in bin(int(n))[2:]:
            result = _times(result, result)
            if bit == "1":
                result = _times(result, base)
        return result
    if len(base) != 1 or not n.is_Rational:
        raise _Outside
    ((p, a, b, g), c), *_ = base.items()
    if g != 1 or (p != 0 and not positive):
        raise _Outside
    if not (n.is_Integer or (c.is_positive and a.is_real and b.is_real)):
        raise _Outside
    return {(p * n, a * n, b * n, g): c**n}


def _clean(terms: Terms) -> Terms:
    expanded = {key: sp.expand(c) for key, c in terms.items()}
    return {key: c for key, c in expanded.items() if not _is_zero(c)}


def _difference(f: Terms, g: Terms) -> Terms:
    return _clean({k: f.get(k, sp.Integer(0)) - g.get(k, sp.Integer(0)) for k in {*f, *g}})


def _number(c: sp.Expr) -> sp.Expr:
    """A number in a form in which equal exponents meet."""
    c = sp.expand(c)
    return c if c.is_Rational or (c / sp.I).is_Rational else sp.simplify(c)


def _moments(
    p: sp.Expr,
    a: sp.Expr,
    b: sp.Expr,
    g: sp.Expr,
    left: sp.Expr,
    right: sp.Expr,
    x: sp.Symbol,
    count: int,
) -> list[sp.Expr]:
    """∫ x^{p+i} exp(a x² + b x) erf(g) φ(x) dx over (left, right) for i < count (g = 1: no erf)."""
    c = sp.Rational(1, 2) - a
    if g != 1:
        return _erf_moments(p, a, b, g, left, right, x, count)
    if not _whole(p):
        if b != 0 or left != 0 or right != sp.oo:
            raise _Outside
        halves = [(p + i + 1) / 2 for i in range(count)]
        return [sp.expand_func(sp.gamma(h)) / (2 * sp.sqrt(2 * sp.pi) * c**h) for h in halves]
    if c == 0 and b != 0:
        raise _Outside
    if c == 0:
        powers = range(int(p) + 1, int(p) + count + 1)
        return [(right**n - left**n) / (n * sp.sqrt(2 * sp.pi)) for n in powers]

    def edge(n: int, at: sp.Expr) -> sp.Expr:
        if at.is_infinite or (at == 0 and n > 0):
            return sp.Integer(0)
        return at**n * sp.exp(-c * at**2 + b * at) / sp.sqrt(2 * sp.pi)

    def primitive(at: sp.Expr) -> sp.Expr:
        if at.is_infinite:
            return sp.sign(at)
        return sp.erf(sp.expand(sp.sqrt(c) * at - b / (2 * sp.sqrt(c))))

    scale = sp.exp(b**2 / (4 * c)) / (2 * sp.sqrt(2 * c))
    moments = [scale * (primitive(right) - primitive(left))]
    for n in range(int(p) + count - 1):
        before = n * moments[n - 1] if n else 0
        moments.append((b * moments[n] + before - edge(n, right) + edge(n, left)) / (2 * c))
        moments[-1] = sp.expand(moments[-1])
    return moments[int(p) :]


def _erf_moments(
    p: sp.Expr,
    a: sp.Expr,
    b: sp.Expr,
    g: sp.Expr,
    left: sp.Expr,
    right: sp.Expr,
    x: sp.Symbol,
    count: int,
) -> list[sp.Expr]:
    """With erf(αx + β) over the whole line: integrate by parts against the tilted Gaussian."""
    if not _whole(p) or left.is_finite or right.is_finite:
        raise _Outside
    c = sp.Rational(1, 2) - a
    mean, variance = b / (2 * c), 1 / (2 * c)
    slope, shift = g.coeff(x, 1), g.coeff(x, 0)
    total = sp.exp(b**2 / (4 * c)) / sp.sqrt(2 * c)
    at = (slope * mean + shift) / sp.sqrt(1 + 2 * slope**2 * variance)
    moments = [total * sp.erf(at)]
    order = int(p) + count - 1
    tilted = (sp.Integer(0), a - slope**2, b - 2 * slope * shift, sp.Integer(1))
    derivative = _moments(*tilted, left, right, x, order + 1)
    height = 2 * slope / sp.sqrt(sp.pi) * sp.exp(-(shift**2))
    for n in range(order):
        before = n * moments[n - 1] if n else 0
        step = variance * (before + height * derivative[n])
        moments.append(sp.expand(mean * moments[n] + step))
    return moments[int(p) :]


def _real(c: sp.Expr) -> sp.Expr:
    """A real number written without i where SymPy manages."""
    if not c.has(sp.I):
        return c
    c = c.replace(
        lambda e: isinstance(e, sp.erf) and (e.args[0] / sp.I).is_real,
        lambda e: sp.I * sp.erfi(e.args[0] / sp.I),
    )
    c = sp.expand(sp.re(sp.expand(c, complex=True)))
    if c.has(sp.I):
        raise _Outside  # an erf off both axes, which SymPy cannot round to a float
    return c


def _negative(c: sp.Expr) -> bool:
    return not _is_zero(c) and bool(c < 0)


def _is_zero(c: sp.Expr) -> bool:
    """Whether an exact number is 0, decided, not guessed."""
    if c.is_Rational:
        return bool(c == 0)
    if abs(c.evalf(30)) > 1e-20:
        return False
    simple = sp.simplify(c)
    if simple == 0:
        return True
    decided = simple.equals(0)
    if decided is None:
        raise ValueError(f"whether {sp.sstr(c)} is 0 could not be decided; give a simpler form.")
    return bool(decided)


def _tidy(c: sp.Expr) -> sp.Expr:
    if c.is_Rational:
        return c
    if _is_zero(c):
        return sp.Integer(0)
    return sp.factor_terms(sp.expand(c))
