"""The command `plateaus`: list, show, run, sweep, verify, cite."""

import argparse
import math
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from plateaus import experiments
from plateaus.emergence import Activation
from plateaus.experiments import _run, _store
from plateaus.experiments._experiment import describe

_TERMS = 13  # Hermite coefficients that a formula for σ is expanded into


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, or 1 where something could not be done."""
    parser = _parser()
    given, rest = parser.parse_known_args(arguments)  # settings may come after options
    if odd := [w for w in rest if w.startswith("-") or not hasattr(given, "settings")]:
        parser.error(f"unrecognized arguments: {' '.join(odd)}")
    if rest:
        given.settings += rest
    try:
        call: Callable[[argparse.Namespace], int] = given.call
        return call(given)
    except KeyboardInterrupt:
        print("plateaus: interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        print(f"plateaus: {text}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plateaus",
        description="The experiments of Plateaus and Power Laws: run, resume, spread, verify.",
        epilog="An experiment of your own is FILE.py:NAME. Settings follow as name=value: "
        "beta=0.6,0.8 d=512 sigma=h4 sigma='x**2*exp(-x**2)' strengths=0.8,0.6.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("list", help="the experiments, a line each")
    command.set_defaults(call=_list)

    command = commands.add_parser("show", help="an experiment's settings, and its stored result")
    command.add_argument("name")
    command.add_argument("--out", type=Path, help="the folder of a result; default: the book's")
    command.set_defaults(call=_show)

    for name, help_ in (
        ("run", "measure every point of the grid, one after the other"),
        ("sweep", "measure the points side by side, in processes or on a Dask cluster"),
    ):
        command = commands.add_parser(name, help=help_)
        command.add_argument("name")
        command.add_argument("settings", nargs="*", metavar="SETTING=VALUE")
        command.add_argument("--scale", choices=("chapter", "full"), default="chapter")
        command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
        command.add_argument("--seed", type=int)
        command.add_argument(
            "--out", type=Path, help="folder of the result; default: results/NAME[-chapter]"
        )
        command.add_argument(
            "--every", type=float, default=_run.EVERY, help="seconds between checkpoints"
        )
        command.add_argument("--quiet", action="store_true", help="no progress bar")
        command.add_argument("--threads", type=int, help="of a process; default of sweep: 1")
        if name == "sweep":
            command.add_argument("--workers", type=int, help="local processes")
            command.add_argument("--cluster", help="a Dask scheduler, such as tcp://node1:8786")
        command.set_defaults(call=_run_or_sweep, sweep=name == "sweep")

    command = commands.add_parser(
        "verify", help="check stored results: hashes, manifests, one point of each anew"
    )
    command.add_argument("paths", nargs="*", type=Path, help="default: the book's results")
    command.set_defaults(call=_verify)

    command = commands.add_parser("cite", help="how to cite the edition in hand")
    command.set_defaults(call=lambda _: print(experiments.cite(), end="") or 0)
    return parser


def _list(_: argparse.Namespace) -> int:
    width = max(map(len, experiments.EXPERIMENTS))
    here = {path.name for path in experiments.stored()}
    for name, one in experiments.EXPERIMENTS.items():
        mark = "*" if name in here else " "
        print(f"{mark} {name:{width}}  {one.part:11}  {one.question}")
    print("\n* with a stored result: plateaus show NAME")
    return 0


def _show(given: argparse.Namespace) -> int:
    one = experiments.find(given.name)
    print(f"{one.name} ({one.part}): {one.question}\n")
    print(textwrap.dedent(f"    {type(one.full).__doc__ or ''}").strip() + "\n")
    full, chapter = _store.to_json(one.full), _store.to_json(one.chapter)
    width = max(map(len, full))
    for name in full:
        axis = " (axis)" if name in one.axes else ""
        print(f"  {name:{width}}  {_shown(chapter[name])} | {_shown(full[name])}{axis}")
    print("  (chapter | full)\n")
    path = given.out or experiments.results() / one.name
    if not (path / "manifest.json").exists():
        print("No stored result.")
        return 0
    print(report(experiments.load(one, path)))
    return 0


def report(result: experiments.Result) -> str:
    """What a result is and says, as text."""
    manifest = result.manifest
    machine, code = manifest["identity"]["machine"], manifest["code"]
    revision = code["revision"] or "unknown"
    clean = {True: "", False: ", changed", None: ""}[code["clean"]]
    lines = [
        f"Result, scale {manifest['scale']}: {manifest['command']}",
        f"  made {manifest['made']} by version {code['version']} ({revision[:12]}{clean}) on "
        f"{machine['name']} ({machine['device']}, {machine['threads']} threads), "
        f"{manifest['seconds']:.0f} s",
    ]
    for name, (full, here) in manifest["reduced"].items():
        lines.append(f"  reduced: {name} = {_shown(here)} in place of {_shown(full)}")
    lines.append("")
    for finding in result.findings:
        interval = ""
        if not math.isnan(finding.low):
            interval = f" [{finding.low:.4g}, {finding.high:.4g}] ({finding.interval})"
        predicted = "" if math.isnan(finding.predicted) else f"{finding.predicted:.4g} predicted, "
        lines.append(f"  {finding.quantity}, {finding.where}:")
        lines.append(f"    {predicted}{finding.measured:.4g} measured{interval}")
    return "\n".join(lines)


def _run_or_sweep(given: argparse.Namespace) -> int:
    one = experiments.find(given.name)
    changes = {} if given.seed is None else {"seed": given.seed}
    for word in given.settings:
        name, equals, text = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r} is no setting; valid: name=value.")
        if name not in one.kinds:
            raise ValueError(f"{one.name} has no setting {name!r}; {_run.nearest(name, one.kinds)}")
        changes[name] = parse(name, text, one.kinds[name])
    name = one.name if given.scale == "full" else f"{one.name}-{given.scale}"
    arguments: dict[str, Any] = {
        "scale": given.scale,
        "device": given.device,
        "out": given.out or Path("results") / name,
        "every": given.every,
        "progress": not given.quiet,
        **changes,
    }
    if given.sweep:
        files = [given.name.rsplit(":", 1)[0]] if ":" in given.name else []
        result = experiments.sweep(
            one,
            workers=given.workers,
            cluster=given.cluster,
            threads=given.threads or 1,
            files=files,
            **arguments,
        )
    else:
        if given.threads is not None:
            torch.set_num_threads(given.threads)
        result = experiments.run(one, **arguments)
    print(report(result))
    return 0


def _verify(given: argparse.Namespace) -> int:
    paths = given.paths or experiments.stored()
    if not paths:
        print(f"There are no results in {experiments.results()}.")
    bad = 0
    for path in paths:
        try:
            off, seconds = experiments.verify(path)
            print(f"{path.name}: agrees, one point recomputed to {off:.1e} in {seconds:.1f} s.")
        except ValueError as error:
            bad += 1
            print(f"{path.name}: REFUSED. {error}")
    return min(bad, 1)


def parse(name: str, text: str, kind: Any) -> Any:
    """A setting's value from what was typed.

    Raises:
        ValueError: its type does not have it.
    """
    if name == "sigma" and any(letter.isalpha() for letter in text):
        return _sigma(text)
    try:
        return _parse(text.strip(), kind, ";" if _nested(kind) else ",")
    except ValueError:
        raise ValueError(f"{name} is {text!r}; valid: {describe(kind)}.") from None


def _parse(text: str, kind: Any, separator: str) -> Any:
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        for one in typing.get_args(kind):
            try:
                return _parse(text, one, separator)
            except ValueError:
                continue
        raise ValueError
    if typing.get_origin(kind) is tuple:
        one, *rest = typing.get_args(kind)
        words = [word for word in text.split(separator) if word.strip()]
        each = [one] * len(words) if rest == [...] else [one, *rest]
        if len(words) != len(each):
            raise ValueError
        return tuple(_parse(w.strip(), k, ",") for w, k in zip(words, each, strict=True))
    if typing.get_origin(kind) is typing.Literal:
        for value in typing.get_args(kind):
            if text == str(value):
                return value
        raise ValueError
    if kind in (bool, type(None)):
        named = {"true": True, "false": False} if kind is bool else {"none": None}
        if text.lower() not in named:
            raise ValueError
        return named[text.lower()]
    if kind is float:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError
        return value
    return kind(text)


def _nested(kind: Any) -> bool:
    """Whether a type is a tuple of tuples, or may be one."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return any(map(_nested, typing.get_args(kind)))
    inner = typing.get_args(kind)
    return typing.get_origin(kind) is tuple and typing.get_origin(inner[0]) is tuple


def _sigma(text: str) -> tuple[float, ...]:
    """Hermite coefficients of h4, relu, or a formula in x."""
    if text[:1] == "h" and text[1:].isdigit():
        return (0.0,) * int(text[1:]) + (1.0,)
    import sympy as sp

    x = sp.Symbol("x", real=True)
    try:
        formula = sp.sympify(text, locals={"x": x, "relu": lambda z: sp.Max(z, 0)})
        return tuple(map(float, Activation.from_sympy(formula, x, _TERMS - 1).coefficients))
    except (sp.SympifyError, SyntaxError, TypeError, AttributeError) as error:
        raise ValueError(
            f"sigma is {text!r} ({type(error).__name__}); valid: h4, numbers with commas between "
            "them, or a formula in x."
        ) from None


def _shown(value: Any) -> str:
    text = _run._typed(value)
    return text if len(text) <= 40 else text[:37] + "…"


if __name__ == "__main__":
    sys.exit(main())
