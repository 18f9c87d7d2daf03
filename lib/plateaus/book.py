"""What a chapter calls beside its mathematics: `check`, `exercise` and `glue`.

A numbered statement of the book is believed because a cell or a test checks it, and the check is
believed because it rejects a false variant of the same statement. `check` runs both. The claims
ledger is built from these calls, so the label is the statement's own.
"""

import inspect
import numbers
from collections.abc import Callable, Mapping, Sequence
from textwrap import fill
from typing import Any

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
    from IPython.display import display

    prefix = "application/papermill.record/"
    display(
        {prefix + "text/plain": text},
        raw=True,
        metadata={"scrapbook": {"name": name, "mime_prefix": prefix}},
    )
