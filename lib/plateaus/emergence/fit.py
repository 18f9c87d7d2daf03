r"""Power laws fitted to times of which some may be censored.

    median_r y_r(x) ≈ C x^α:   α is the least-squares slope of log median over log x.

The median needs no value of the slowest replicates, only that fewer than half are missing. The
interval is a bootstrap: the replicates of every x are drawn anew with replacement, and the slope
is taken again.
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
        interval: the ends of the bootstrap's 95 % interval for α; infinite where more than 2.5 %
            of the bootstrap's medians are censored.
        window: the least and the greatest x that the fit used.
    """

    slope: float
    prefactor: float
    interval: tuple[float, float]
    window: tuple[float, float]


def fit_power_law(
    x: ArrayLike, y: ArrayLike, *, window: tuple[float, float], resamples: int = 2000
) -> PowerLaw:
    """Fit the median over replicates as a power of x, within a window.

    Arguments:
        x: (points,), positive and distinct.
        y: (points, replicates), not negative; inf for a replicate that is censored.
        window: the least and the greatest x to use, both included.
        resamples: bootstrap samples; their seed is fixed, so the same data give the same interval.

    Returns:
        The slope with its interval, and the prefactor.

    Raises:
        ValueError: the shapes do not match, a value is out of range, fewer than two points lie in
            the window, or at one of them the median is 0 or censored.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.ndim != 1 or y.ndim != 2 or len(x) != len(y) or not y.shape[1]:
        raise ValueError(
            f"x has shape {x.shape} and y {y.shape}; valid are (points,) and (points, replicates)."
        )
    if not ((x > 0) & np.isfinite(x)).all() or len(set(x)) < len(x) or not (y >= 0).all():
        raise ValueError(f"x is {x}; valid are distinct positive numbers, with y not negative.")
    inside = (window[0] <= x) & (x <= window[1])
    if inside.sum() < 2:
        raise ValueError(f"{inside.sum()} points lie in the window {window}; a slope needs two.")
    x, y = x[inside], y[inside]
    medians = np.median(y, axis=1)
    for at, median in zip(x, medians, strict=True):
        if not 0 < median < math.inf:
            raise ValueError(
                f"at x = {at:g} the median of y is {median}; valid are positive ones, so fewer "
                "than half of the replicates may be 0, and fewer than half censored (inf)."
            )
    slope, intercept = _line(np.log(x), np.log(medians))
    draws = np.random.default_rng(0).integers(y.shape[1], size=(resamples, *y.shape))
    again = np.median(np.take_along_axis(y[None], draws, axis=2), axis=2)
    slopes = np.full(resamples, math.inf)
    known = ((again > 0) & (again < math.inf)).all(axis=1)
    slopes[known] = _line(np.log(x), np.log(again[known]).T)[0]
    # A resample with a median that is 0 or censored has no slope: it counts against both ends.
    unknown = np.where(known, slopes, -math.inf)
    low = float(np.quantile(unknown, 0.025, method="lower"))
    high = float(np.quantile(slopes, 0.975, method="higher"))
    return PowerLaw(
        slope=float(slope),
        prefactor=float(np.exp(intercept)),
        interval=(low, high),
        window=(float(x.min()), float(x.max())),
    )


def _line(x: NDArray[Any], y: NDArray[Any]) -> tuple[Any, Any]:
    """Least squares y = slope x + intercept, for y (points,) or (points, many)."""
    centred = x - x.mean()
    slope = centred @ y / (centred @ centred)
    return slope, y.mean(axis=0) - slope * x.mean()
