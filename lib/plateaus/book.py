"""What a chapter calls beside its mathematics: `check`, `exercise`, `glue` and `movable`.

A numbered statement of the book is believed because a cell or a test checks it, and the check is
believed because it rejects a false variant of the same statement. `check` runs both. The claims
ledger is built from these calls, so the label is the statement's own.
"""

import inspect
import itertools
import json
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from textwrap import fill
from typing import Any, Literal

from numpy.typing import ArrayLike

KINDS = {
    "symbolic": "computer algebra, for all values",
    "exact": "exact arithmetic, over a finite set",
    "numerical": "floating point, to a tolerance",
    "statistical": "random samples, with seeds and an interval",
}
"""The kinds of evidence that a check can give, strongest first."""

Statement = Callable[..., None]


def check(
    label: str, *, kind: str, false: Mapping[str, Any] | Sequence[Mapping[str, Any]]
) -> Callable[[Statement], Statement]:
    """Check a numbered statement, and that its false variants are rejected.

    The decorated function asserts the statement. Its parameters are the constants of the
    statement, their defaults the true values::

        @check("prop-derivative-rule", kind="symbolic", false={"shift": 2})
        def derivative_rule(shift=1):
            assert expand(diff(h(3), x) - sqrt(3) * h(3 - shift)) == 0

    It is called at once, first with the defaults, then once for each false variant.

    Arguments:
        label: the statement's label in the book, such as `"prop-derivative-rule"`.
        kind: one of `KINDS`.
        false: a false variant, or several: values for some of the function's parameters.

    Returns:
        A decorator that gives the function back unchanged.

    Raises:
        AssertionError: the statement fails, or a false variant passes the same check.
        ValueError: `kind` is not one of `KINDS`, there is no false variant, or one names a
            parameter that the function does not have.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; valid are {', '.join(KINDS)}.")
    variants = [false] if isinstance(false, Mapping) else list(false)
    if not variants or not all(variants):
        raise ValueError(f"the check of {label} has no false variant; give at least one.")

    def run(statement: Statement) -> Statement:
        parameters = inspect.signature(statement).parameters
        for variant in variants:
            if unknown := set(variant) - set(parameters):
                raise ValueError(
                    f"the false variant of {label} sets {', '.join(sorted(unknown))}; "
                    f"the check's parameters are {', '.join(parameters) or 'none'}."
                )
        statement()
        for variant in variants:
            try:
                statement(**variant)
            except AssertionError:
                continue
            raise AssertionError(
                f"the check of {label} accepts the false variant {variant}: it proves nothing."
            )
        rejected = "1 false variant" if len(variants) == 1 else f"{len(variants)} false variants"
        print(f"{label}: holds ({kind}); {rejected} rejected.")
        return statement

    return run


def exercise(label: str, answer: Any) -> Callable[[Callable[[Any], None]], bool]:
    """Try a reader's answer to an exercise, and print whether it is solved.

    The decorated function is the exercise's test: it is called at once with `answer` and asserts
    what a right answer does. Whatever it raises is printed in a sentence, never passed on, so a
    chapter with unsolved exercises still runs from top to bottom.

    Arguments:
        label: the exercise's label in the book.
        answer: what the reader wrote, most often a function.

    Returns:
        A decorator that replaces the test by its outcome: True where the exercise is solved.
    """

    def run(test: Callable[[Any], None]) -> bool:
        try:
            test(answer)
        except Exception as error:  # a reader's code may raise anything
            reason = str(error).strip().split("\n")[0] or "the test's assertion fails"
            print(fill(f"{label}: not solved yet ({type(error).__name__}: {reason}).", 80))
            return False
        print(f"{label}: solved.")
        return True

    return run


def glue(name: str, value: Any) -> None:
    """Keep a value of a cell for the prose, where ``{glue:text}`name` `` prints it.

    It shows nothing where the cell stands. The record is the one that MyST-NB reads, made here so
    that the same cell runs where MyST-NB is not installed, as on Colab.

    Arguments:
        name: the key that the prose uses; unique in its chapter.
        value: a number (printed by its format, as in ``{glue:text}`name:.2f` ``) or a text.

    Raises:
        TypeError: `value` is neither a number nor a text.
    """
    if isinstance(value, numbers.Integral):
        text = repr(int(value))
    elif isinstance(value, numbers.Real):
        text = repr(float(value))
    elif isinstance(value, str):
        text = repr(value)
    else:
        raise TypeError(f"glue({name!r}) was given a {type(value).__name__}; valid: number, text.")
    _record(name, text)


def _record(name: str, text: str) -> None:
    """An output that MyST-NB keeps under `name` and does not show."""
    from IPython.display import display

    prefix = "application/papermill.record/"
    display(
        {prefix + "text/plain": text},
        raw=True,
        metadata={"scrapbook": {"name": name, "mime_prefix": prefix}},
    )


Drawn = dict[str, Any]
"""What `curve` and `image` give: one thing drawn in one frame, as JSON."""

HEAVIEST = 200_000
"""Characters of a movable figure's record, at most: all frames of a page load at once."""


def curve(
    label: str, x: ArrayLike, y: ArrayLike, *, kind: Literal["line", "points"] = "line"
) -> Drawn:
    """A curve of a movable figure: a line where theory speaks, points where something was measured.

    Arguments:
        label: what the legend says.
        x: finite numbers, shape (n,).
        y: numbers, shape (n,); nan where a line is interrupted.
        kind: "line" or "points".

    Raises:
        ValueError: the shapes differ, `x` is not finite, `y` is infinite, or `kind` is another.
    """
    xs, ys = _rounded(x), _rounded(y)
    if kind not in ("line", "points"):
        raise ValueError(f"kind is {kind!r}; valid are line, points.")
    if len(xs) != len(ys) or any(isinstance(v, list) for v in xs + ys):
        raise ValueError(f"{label!r} has {len(xs)} x and {len(ys)} y; valid: one list of each.")
    if None in xs:
        raise ValueError(f"{label!r} has an x that is not a number.")
    return {"kind": kind, "label": label, "x": xs, "y": ys}


def image(label: str, values: ArrayLike) -> Drawn:
    """A matrix of a movable figure, drawn as a field of colours.

    Arguments:
        label: its title.
        values: finite numbers, shape (rows, columns); the first row is drawn on top.

    Raises:
        ValueError: `values` is no matrix or not finite.
    """
    rows = _rounded(values)
    if not rows or any(not isinstance(row, list) or None in row for row in rows):
        raise ValueError(f"{label!r} is no matrix of finite numbers.")
    return {"kind": "image", "label": label, "values": rows}


def _rounded(values: ArrayLike) -> list[Any]:
    """Nested lists with four digits of each number; None for nan."""
    import numpy as np

    def four(v: Any) -> Any:
        if isinstance(v, list):
            return [four(each) for each in v]
        if math.isinf(v):
            raise ValueError("a movable figure was given an infinite number; valid: finite, nan.")
        return None if math.isnan(v) else float(f"{v:.4g}")

    return list(four(np.atleast_1d(np.asarray(values, np.float64)).tolist()))


def movable(
    figure: str,
    draw: Callable[..., Sequence[Drawn]],
    *,
    sliders: Mapping[str, Sequence[Any]],
    x: str = "",
    y: str = "",
    log: Literal["", "x", "y", "xy"] = "",
) -> None:
    """Keep what a figure shows at other parameters, so that a reader can move it without a kernel.

    `draw` is called once for every combination of the sliders' values, and what it draws is stored
    with the executed chapter, under the figure's name, as JSON with four digits::

        def draw(k, n):
            return [curve("bound", n_grid, bound(k)), curve("seen", ns, seen[k], kind="points")]

        movable("fig-accuracy", draw, sliders={"k": [2, 4, 8]}, x="inputs n", y="accuracy")

    The figure of that name in the chapter is its picture where nothing can move: on paper, or
    without JavaScript.

    Arguments:
        figure: the name of the chapter's figure, `fig-…`.
        draw: gives what one frame shows, from a value of each slider.
        sliders: for each parameter of `draw` its values, in the slider's order; numbers or texts.
        x: label of the horizontal axis, with units.
        y: label of the vertical axis.
        log: which axes are logarithmic.

    Raises:
        ValueError: the name is no figure's, there is no slider or one has fewer than two values,
            a frame is empty, or all frames together exceed `HEAVIEST` characters.
    """
    if not figure.startswith("fig-"):
        raise ValueError(f"figure is {figure!r}; valid: the name of a figure, fig-….")
    if not sliders or any(len(values) < 2 for values in sliders.values()):
        raise ValueError(f"the sliders of {figure} are {dict(sliders)}; valid: two values or more.")
    if log not in ("", "x", "y", "xy"):
        raise ValueError(f"log is {log!r}; valid are '', x, y, xy.")
    frames = []
    for values in itertools.product(*sliders.values()):
        frames.append(list(draw(**dict(zip(sliders, values, strict=True)))))
        if not frames[-1]:
            raise ValueError(
                f"{figure} draws nothing at {dict(zip(sliders, values, strict=True))}."
            )
    scales = {name: list(values) for name, values in sliders.items()}
    axes = {"x": x, "y": y, "log": log}
    record = json.dumps({"figure": figure, "sliders": scales, **axes, "frames": frames})
    if len(record) > HEAVIEST:
        raise ValueError(f"{figure} has {len(record)} characters of frames; at most {HEAVIEST}.")
    _record(f"movable:{figure}", record)
