r"""What an experiment is, and what it finds.

An experiment is a frozen description, its *settings*, and a function that measures one point of
the grid that the settings span. Some of its settings are tuples: the axes of that grid. What is
measured at all points, stacked, is the result; what theory says of it stands in the same result,
and `Finding`s put the two side by side.

    @dataclass(frozen=True)
    class Settings:                              # a docstring says what each one is, with units
        beta: tuple[float, ...] = (0.6, 0.8)     # an axis
        P: int = 64
        seed: int = 0

    def measure(s: Settings, work: Work, *, beta: float) -> Arrays:
        return {"loss": …, "predicted": …}       # the same names and shapes at every point

    STAIRCASE = Experiment(name="staircase", …, axes=("beta",), measure=measure)

and the result's array "loss" has the axis beta, and then the axes of what `measure` gave back.
"""

import dataclasses
import importlib
import itertools
import math
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Settings = Any  # a frozen dataclass; its fields: int, float, str, bool, tuples of these, or None
Point = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """A prediction beside its measurement.

    Attributes:
        claim: the claim's key in the reproduction table, such as "emergence-times".
        quantity: what was measured, such as "slope of log T_p over log p".
        where: at which settings and within which window.
        predicted: what theory says at these settings, finite size included; nan if nothing.
        measured: what was measured.
        low, high: the interval of the measurement; nan for none.
        interval: what kind of interval that is; empty for none.
    """

    claim: str
    quantity: str
    where: str
    predicted: float
    measured: float
    low: float = math.nan
    high: float = math.nan
    interval: str = ""


@dataclass(frozen=True)
class Probe:
    """One point of a result that `verify` recomputes from the seed: at most 10 s on a CPU.

    Attributes:
        settings: those of the result, or shorter ones (fewer records, for example): every array
            that `measure` then gives back is the leading corner of the one it gives with all.
        point: the point of the grid, a value for each axis.
        tolerance: how far a number may be off, relative to the greatest of its array.
    """

    settings: Settings
    point: Point
    tolerance: float


class Work:
    """What a measurement is handed beside its settings: a device, and a memory that outlives it.

    Attributes:
        device: where to compute.
        state: what an earlier, interrupted measurement of the same point kept last; None if
            nothing. Tensors are on the CPU.
    """

    def __init__(
        self,
        device: torch.device,
        state: dict[str, Any] | None = None,
        keep: Callable[[Callable[[], dict[str, Any]]], None] | None = None,
        progress: Callable[[float, float | None], None] | None = None,
    ) -> None:
        """For a point that starts anew (`state` None) or goes on."""
        self.device, self.state = device, state
        self._keep, self._progress = keep, progress

    def keep(self, state: Callable[[], dict[str, Any]]) -> None:
        """Offer a state to go on from: a function that makes it, called only if one is due.

        A state is a dictionary of numbers, strings, tensors, and lists and dictionaries of these.
        """
        if self._keep is not None:
            self._keep(state)

    def progress(self, fraction: float, loss: float | None = None) -> None:
        """Say how much of this point is done, from 0 to 1, and the current loss."""
        if self._progress is not None:
            self._progress(fraction, loss)


@dataclass(frozen=True)
class Experiment:
    """A question, and how it is put to a machine.

    Attributes:
        name: its name in the command `plateaus`, such as "staircase".
        part: "sandbox", "composition" or "emergence"; for an experiment of one's own whatever it
            belongs to.
        question: one line.
        chapter: the settings that a chapter runs, in seconds on two cores.
        full: the full-size settings, for a GPU.
        axes: the settings that span the grid: each is a tuple, and `measure` gets one value of it.
        measure: (settings, work, **point) → arrays by name, the same names, shapes and dtypes at
            every point. Same settings, device and number of threads: same bits.
        findings: result → what the result says beside what theory says.
        probe: settings → the point that `verify` recomputes.
        arrays: what each array is, with its axes after those of the grid, and units.
        reduced: the full-size settings that change where there is no GPU, so that the run fits in
            ten minutes of two cores; empty if it does as it is.
    """

    name: str
    part: str
    question: str
    chapter: Settings
    full: Settings
    axes: tuple[str, ...]
    measure: Callable[..., Arrays] = field(repr=False)
    findings: Callable[["Result"], Sequence[Finding]] = field(repr=False)
    probe: Callable[[Settings], Probe] = field(repr=False)
    arrays: Mapping[str, str] = field(repr=False)
    reduced: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Refuse a description that cannot be run.

        Raises:
            ValueError: chapter and full are of different types, a setting has a type that cannot
                be stored, or an axis is no tuple.
        """
        if type(self.chapter) is not type(self.full):
            raise ValueError(
                f"{self.name}: chapter is a {type(self.chapter).__name__} and full a "
                f"{type(self.full).__name__}; valid are settings of one type."
            )
        for settings in (self.chapter, self.full):
            check(self, settings)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a module's experiment by its name there, so that its functions may be any."""
        home = sys.modules[self.measure.__module__]
        for name, value in vars(home).items():
            if value is self:
                return _named, (home.__name__, name)
        return type(self), tuple(getattr(self, f.name) for f in dataclasses.fields(self))

    @property
    def kinds(self) -> dict[str, Any]:
        """The type of every setting, by name."""
        hints = typing.get_type_hints(type(self.full))
        return {f.name: hints[f.name] for f in dataclasses.fields(self.full)}


def _named(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def check(experiment: Experiment, settings: Settings) -> None:
    """Refuse settings of another type, and values that their type does not have."""
    if type(settings) is not type(experiment.full):
        raise ValueError(
            f"settings are a {type(settings).__name__}; valid for {experiment.name} is "
            f"{type(experiment.full).__name__}."
        )
    for name, kind in experiment.kinds.items():
        value = getattr(settings, name)
        if not fits(value, kind):
            raise ValueError(f"{experiment.name}: {name} is {value!r}; valid: {describe(kind)}.")
    for name in experiment.axes:
        value = getattr(settings, name, None)
        if not isinstance(value, tuple) or not value or len(set(value)) < len(value):
            raise ValueError(
                f"{experiment.name}: {name} is {value!r}; valid for an axis of the grid: one or "
                "more values, each once."
            )


def fits(value: Any, kind: Any) -> bool:
    """Whether a value has a type such as int, tuple[float, ...] or float | None."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return any(fits(value, one) for one in typing.get_args(kind))
    if typing.get_origin(kind) is typing.Literal:
        return value in typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        one, *rest = typing.get_args(kind)
        if not isinstance(value, tuple):
            return False
        each = [one] * len(value) if rest == [...] else [one, *rest]
        return len(each) == len(value) and all(map(fits, value, each))
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def describe(kind: Any) -> str:
    """A type in words, as the command takes it."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return " or ".join(describe(one) for one in typing.get_args(kind))
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(map(str, typing.get_args(kind)))
    if typing.get_origin(kind) is tuple:
        one, *rest = typing.get_args(kind)
        if typing.get_origin(one) is tuple:
            return f"groups of {describe(one)}, with semicolons between the groups"
        if rest == [...]:
            return f"{_PLURAL.get(one, describe(one))}, with commas between them"
        return f"{1 + len(rest)} {_PLURAL.get(one, describe(one))}, with commas between them"
    return _SINGULAR.get(kind, str(kind))


_SINGULAR = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}
_SINGULAR[type(None)] = "none"
_PLURAL = {int: "integers", float: "numbers", str: "texts"}


def points(experiment: Experiment, settings: Settings) -> Iterator[Point]:
    """The points of the grid, the last axis fastest."""
    for values in itertools.product(*(getattr(settings, axis) for axis in experiment.axes)):
        yield dict(zip(experiment.axes, values, strict=True))


@dataclass(frozen=True, eq=False)
class Result:
    """What an experiment found.

    Attributes:
        experiment: which.
        settings: its settings; the axes of the grid are among them.
        arrays: by name, with the axes of the grid first.
        manifest: how it came about: command, code, machine, time, hashes. See `verify`.
    """

    experiment: Experiment
    settings: Settings
    arrays: Mapping[str, NDArray[Any]] = field(repr=False)
    manifest: Mapping[str, Any] = field(repr=False)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """An array by name."""
        if name not in self.arrays:
            raise KeyError(f"{name!r}; {self.experiment.name} has {', '.join(self.arrays)}.")
        return self.arrays[name]

    def at(self, **point: Any) -> Arrays:
        """The arrays at some values of the axes: the axes that are not named stay.

        Raises:
            ValueError: no such axis, or it does not have that value.
        """
        index: list[Any] = [slice(None)] * len(self.experiment.axes)
        for axis, value in point.items():
            if axis not in self.experiment.axes:
                raise ValueError(f"{axis} is no axis; valid: {', '.join(self.experiment.axes)}.")
            values = getattr(self.settings, axis)
            if value not in values:
                raise ValueError(f"{axis} = {value} is not there; valid: {values}.")
            index[self.experiment.axes.index(axis)] = values.index(value)
        return {name: array[tuple(index)] for name, array in self.arrays.items()}

    @property
    def findings(self) -> Sequence[Finding]:
        """What it says beside what theory says."""
        return self.experiment.findings(self)


def stack(experiment: Experiment, settings: Settings, cells: Sequence[Arrays]) -> Arrays:
    """The arrays of all points as one each, the axes of the grid first."""
    shape = tuple(len(getattr(settings, axis)) for axis in experiment.axes)
    first = {name: (a.shape, a.dtype) for name, a in cells[0].items()}
    if set(first) != set(experiment.arrays):
        raise ValueError(
            f"{experiment.name} measured {', '.join(first)}, and describes "
            f"{', '.join(experiment.arrays)}; valid are the same names."
        )
    for cell, point in zip(cells, points(experiment, settings), strict=True):
        found = {name: (a.shape, a.dtype) for name, a in cell.items()}
        if found != first:
            raise ValueError(
                f"{experiment.name} measured {found} at {point}; valid is the same as at the "
                f"first point, {first}."
            )
    return {
        name: np.stack([cell[name] for cell in cells]).reshape(shape + first[name][0])
        for name in first
    }
