r"""Power laws fitted within a window: to replicates, some perhaps censored, or to a single curve.

    median_r y_r(x) ≈ C x^α:   α is the least-squares slope of log median over log x.

The median needs no value of the slowest replicates, only that fewer than half are missing. With
replicates the interval is a bootstrap: the replicates of every x, or whole runs where a run goes
through all x, are drawn anew with replacement, and the slope is taken again. It says how well the
data determine α.

A single curve, such as a predicted loss, has nothing to draw anew. Its slope has no error then, but
it depends on the window unless the curve is a power law. Its interval says how much: from the least
to the greatest slope over all runs of half of its points.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class PowerLaw:
    """C x^α over a window.

    Attributes:
        slope: α.
        prefactor: C, in the units of y at x = 1.
        interval: with replicates, the ends of the bootstrap's 95 % interval for α; infinite where
            more than 2.5 % of the bootstrap's medians are censored. For a single curve no
            confidence interval, but the least and the greatest slope over all runs of n − ⌊n/2⌋
            neighbours among its n points in the window: a point for an exact power law, and
            infinite for two points, which cannot bend.
        window: the least and the greatest x that the fit used.
    """

    slope: float
    prefactor: float
    interval: tuple[float, float]
    window: tuple[float, float]


def fit_power_law(
    x: ArrayLike,
    y: ArrayLike,
    *,
    window: tuple[float, float],
    paired: bool = False,
    resamples: int = 2000,
) -> PowerLaw:
    """Fit y, or its median over replicates, as a power of x, within a window.

    Arguments:
        x: (points,), positive and distinct.
        y: (points, replicates), not negative; inf for a replicate that is censored. Or (points,),
            a single curve.
        window: the least and the greatest x to use, both included.
        paired: True where y[:, r] is one run followed through all x, as a loss against time is:
            the bootstrap then draws whole runs. False where every x has runs of its own.
        resamples: bootstrap samples; their seed is fixed, so the same data give the same interval.
            A single curve has none.

    Returns:
        The slope with its interval (see `PowerLaw` for what it means), and the prefactor.

    Raises:
        ValueError: the shapes do not match, a value is out of range, fewer than two points lie in
            the window, or at one of them the median is 0 or censored.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 1 or y.ndim not in (1, 2) or len(x) != len(y) or 0 in y.shape:
        raise ValueError(
            f"x has shape {x.shape} and y {y.shape}; valid are (points,) and (points, replicates) "
            "or (points,)."
        )
    if not ((x > 0) & np.isfinite(x)).all() or len(set(x)) < len(x) or not (y >= 0).all():
        raise ValueError(f"x is {x}; valid are distinct positive numbers, with y not negative.")
    inside = (window[0] <= x) & (x <= window[1])
    if inside.sum() < 2:
        raise ValueError(f"{inside.sum()} points lie in the window {window}; a slope needs two.")
    x, y = x[inside], y[inside]
    medians = np.median(y, axis=1) if y.ndim == 2 else y
    for at, median in zip(x, medians, strict=True):
        if not 0 < median < math.inf:
            raise ValueError(
                f"at x = {at:g} the median of y is {median}; valid are positive ones, so fewer "
                "than half of the replicates may be 0, and fewer than half censored (inf)."
                if y.ndim == 2
                else f"at x = {at:g} y is {median}; valid for a single curve are positive numbers."
            )
    slope, intercept = _line(np.log(x), np.log(medians))
    interval = _bootstrap(x, y, paired, resamples) if y.ndim == 2 else _bend(x, y)
    return PowerLaw(
        slope=float(slope),
        prefactor=float(np.exp(intercept)),
        interval=interval,
        window=(float(x.min()), float(x.max())),
    )


def _bootstrap(
    x: NDArray[Any], y: NDArray[Any], paired: bool, resamples: int
) -> tuple[float, float]:
    """95 % of the slopes when replicates are drawn anew."""
    size = (resamples, 1 if paired else len(x), y.shape[1])
    draws = np.random.default_rng(0).integers(y.shape[1], size=size)
    again = np.median(np.take_along_axis(y[None], draws, axis=2), axis=2)
    slopes = np.full(resamples, math.inf)
    known = ((again > 0) & (again < math.inf)).all(axis=1)
    slopes[known] = _line(np.log(x), np.log(again[known]).T)[0]
    # A resample with a median that is 0 or censored has no slope: it counts against both ends.
    unknown = np.where(known, slopes, -math.inf)
    low = float(np.quantile(unknown, 0.025, method="lower"))
    high = float(np.quantile(slopes, 0.975, method="higher"))
    return low, high


def _bend(x: NDArray[Any], y: NDArray[Any]) -> tuple[float, float]:
    """The least and the greatest slope over runs of half of the points."""
    n = len(x)
    if n == 2:
        return -math.inf, math.inf
    order = np.argsort(x)
    log_x, log_y = np.log(x[order]), np.log(y[order])
    half = n - n // 2
    slopes = [_line(log_x[i : i + half], log_y[i : i + half])[0] for i in range(n - half + 1)]
    return float(min(slopes)), float(max(slopes))


def _line(x: NDArray[Any], y: NDArray[Any]) -> tuple[Any, Any]:
    """Least squares y = slope x + intercept, for y (points,) or (points, many)."""
    centred = x - x.mean()
    slope = centred @ y / (centred @ centred)
    return slope, y.mean(axis=0) - slope * x.mean()
