"""otter-grader's plugin `Guard`: a grader that survives the code it runs.

A submission is code that nobody has read. It may never end, take all memory, print without end,
call `exit()`, delete its working folder, or replace `numpy.allclose`. The plugin puts one cell
before all others, which calls `begin` in the kernel that runs the submission. From then on

* every cell and every test has a time limit, after which a TimeoutError is raised in it;
* what the kernel allocates is limited, so that too much raises a MemoryError;
* what a cell prints is cut after a megabyte;
* `exit()` and `quit()` raise an error instead of ending the kernel;
* the tests are in memory, not in the working folder, which is one of the submission's own;
* before each test all that was replaced in builtins, numpy, torch, scipy, sympy, math or this
  package is put back, and noted.

What happens is written, a line each, to the journal: the cell or the test that runs, and what was
put back. So when the kernel does die (`os._exit`, a crash in compiled code), whoever started it
knows where, and can run the rest: see `Guard`'s settings `without` and `fail`.

This holds off accidents and casual tricks. Code that wants to read the tests in its own process's
memory can; what stops it is a container and a reader.
"""

import functools
import gc
import importlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import (
    FrameType,
    FunctionType,
    MethodDescriptorType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

import torch

SECONDS, MEMORY, OUTPUT = 20.0, 2.0, 1_000_000
"""Limits: seconds for a cell or a test, GiB that are allocated, characters that a cell prints."""

PROTECTED = (
    "builtins", "math", "cmath", "random", "itertools", "functools", "inspect", "fractions",
    "numpy", "numpy.linalg", "numpy.random", "numpy.testing", "scipy.stats", "scipy.special",
    "scipy.integrate", "scipy.optimize", "sympy", "torch", "torch.linalg", "torch.testing",
    "torch.nn.functional", "otter.check.notebook", "otter.execute.checker",
    "otter.test_files.abstract_test", "otter.test_files.exception_test",
)  # fmt: skip
"""Modules whose contents are put back before each test, beside this package's own."""

STAYS = {"input", "_", "exit", "quit"}
"""Names that IPython itself replaces."""

METHODS = (
    FunctionType,
    MethodDescriptorType,
    WrapperDescriptorType,
    classmethod,
    staticmethod,
    property,
)
"""What of a class is put back."""

Kept = list[tuple[Any, str, dict[str, Any]]]
"""What to put back: a module or a class, its name, and what it held."""


class Guard:
    """otter-grader's plugin, named in the grader's archive with these settings.

    Settings:
        seconds: the limit for one cell or one test.
        memory: GiB that the kernel may allocate beyond what it holds when it begins; Linux only.
        journal: a file for the journal, outside the submission's reach; none by default.
        without: sources of cells that are not run, since they ended the kernel before.
        fail: tests that fail at once, for the same cause: name to reason.
    """

    def __init__(self, path: str, metadata: dict[str, Any], config: dict[str, Any]) -> None:
        """Take the settings; otter-grader calls this."""
        self.settings = dict(config)
        for variable in (
            "journal",
            "seconds",
            "without",
            "fail",
        ):  # from whoever runs otter, not the archive
            if (value := os.environ.get(f"PLATEAUS_{variable.upper()}")) is not None:
                self.settings[variable] = value if variable == "journal" else json.loads(value)

    def before_execution(self, nb: Any) -> Any:
        """Clean the notebook, and put the guard's cell before all others."""
        import nbformat

        without = set(self.settings.pop("without", []))
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs = []
                if cell.source in without:
                    cell.source = "# left out: it ended the kernel"
        nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
        name = "_guard"
        call = (
            f"from plateaus.assignments import guard as {name}\n{name}.begin(**{self.settings!r})"
        )
        nb.cells.insert(0, nbformat.v4.new_code_cell(call))  # type: ignore[no-untyped-call]
        return nb


def begin(
    *,
    seconds: float = SECONDS,
    memory: float = MEMORY,
    journal: str | None = None,
    fail: dict[str, str] | None = None,
    tests: str = "tests",
) -> None:
    """Guard the kernel in which this is called; see the module's text for what that means.

    Arguments:
        seconds: the limit for one cell or one test.
        memory: GiB that may be allocated from here on; only where the system can limit it (Linux).
        journal: the file that the journal is added to, or None.
        fail: tests that fail at once, with the reason.
        tests: the folder of the tests, which are read now and taken away.

    Raises:
        RuntimeError: this is no IPython kernel.
    """
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise RuntimeError("the guard works in an IPython kernel; there is none here.")
    write, clock = Journal(journal), Clock(seconds)
    kept: Kept = []
    limit_memory(memory)
    keep_tests(Path(tests), shell)
    guard_tests(clock, kept, write, fail or {})
    keep_kernel(shell)
    kept += snapshot()

    names: dict[str, int] = {}

    def before(info: Any) -> None:
        nonlocal names
        write("cell", info.raw_cell)
        names = {name: id(value) for name, value in shell.user_ns.items()}
        for stream in (sys.stdout, sys.stderr):
            cap(stream)
        clock.start()

    shell.events.register("pre_run_cell", before)

    def after(result: Any) -> None:
        clock.stop()
        if isinstance(result.error_in_exec, MemoryError):  # let go of what the cell has made
            write("memory", result.info.raw_cell)
            for name, value in list(shell.user_ns.items()):
                if names.get(name) != id(value):
                    del shell.user_ns[name]
            del value
            result.error_in_exec.__traceback__ = None
            sys.last_traceback = sys.last_value = None
            gc.collect()

    shell.events.register("post_run_cell", after)
    os.chdir(tempfile.mkdtemp(prefix="submission-"))
    sys.path.insert(0, os.getcwd())


class Journal:
    """Lines of JSON in a file that stays open, so that nobody can take it away."""

    def __init__(self, path: str | None) -> None:
        """Open the file, or nothing."""
        self.descriptor = None if path is None else os.open(path, os.O_APPEND | os.O_WRONLY)

    def __call__(self, event: str, what: str) -> None:
        """Write one line."""
        if self.descriptor is not None:
            line = json.dumps({"event": event, "what": what}) + "\n"
            os.write(self.descriptor, line.encode())


class Clock:
    """A limit on time, by an alarm that raises TimeoutError, again and again until it is heard."""

    def __init__(self, seconds: float) -> None:
        """Take the process's alarm."""
        self.seconds = seconds
        self.set, self.alarm = signal.setitimer, signal.SIGALRM
        signal.signal(self.alarm, self.ring)

    def ring(self, number: int, frame: FrameType | None) -> None:
        """What the alarm does."""
        raise TimeoutError(f"it ran for more than {self.seconds:g} seconds and was stopped.")

    def start(self) -> None:
        """Begin to count."""
        self.set(signal.ITIMER_REAL, self.seconds, 2.0)

    def stop(self) -> None:
        """Count no more."""
        self.set(signal.ITIMER_REAL, 0)


def protected() -> Iterator[ModuleType]:
    """The modules to protect, imported."""
    for name in (*PROTECTED, "plateaus.composition", "plateaus.emergence"):
        yield importlib.import_module(name)
    yield from [m for name, m in sorted(sys.modules.items()) if name.split(".")[0] == "plateaus"]


def snapshot() -> Kept:
    """What each protected module, and each class of this package or of otter, holds now."""
    kept: Kept = []
    for module in protected():
        held = {k: v for k, v in vars(module).items() if k not in STAYS and not k.startswith("__")}
        kept.append((module, module.__name__, held))
        for name, value in held.items():
            if isinstance(value, type) and (
                value.__module__.split(".")[0] in ("plateaus", "otter") or value is torch.Tensor
            ):
                methods = {k: v for k, v in vars(value).items() if isinstance(v, METHODS)}
                kept.append((value, f"{module.__name__}.{name}", methods))
    return kept


def restore(kept: Kept) -> list[str]:
    """Put back what was replaced since; the names of what that was."""
    found: list[str] = []
    for thing, name, held in kept:
        now = vars(thing)
        for key, value in held.items():
            if now.get(key, found) is not value:
                setattr(thing, key, value)
                found.append(f"{name}.{key}")
    return found


def limit_memory(gigabytes: float) -> None:
    """Let this process allocate so much more, where the system can say how much it has."""
    try:
        import resource

        held = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    bound = held + int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))


def keep_tests(folder: Path, shell: Any) -> None:
    """Hold the tests in memory, and take them out of the working folder."""
    from otter import Notebook
    from otter.execute import Checker, checker
    from otter.nbmeta_config import NBMetadataConfig
    from otter.test_files.exception_test import ExceptionTestFile

    sources = {path.stem: path.read_text() for path in sorted(folder.glob("*.py"))}
    for path in folder.glob("*.py"):
        path.unlink()

    def from_memory(path: str, *_: Any, **__: Any) -> Any:
        return ExceptionTestFile.from_string(sources[Path(path).stem], path=path)

    def check(self: Any, question: str, global_env: dict[str, Any] | None = None) -> Any:
        if question not in sources:
            raise ValueError(f"there is no question {question!r}; valid: {', '.join(sources)}.")
        path = f"tests/{question}.py"
        return Checker.check(path, NBMetadataConfig(), None, global_env or shell.user_ns)

    checker.create_test_file = from_memory
    Notebook.check = check


def guard_tests(
    clock: Clock,
    kept: Kept,
    write: Callable[[str, str], None],
    fail: dict[str, str],
) -> None:
    """Run each test with modules put back, and against the clock."""
    from otter.test_files import exception_test

    run, call = exception_test.ExceptionTestFile.run, exception_test.test_case.call_func
    question = ""

    def guarded_run(self: Any, environment: dict[str, Any]) -> None:
        nonlocal question
        clock.stop()
        question = self.name
        run(self, environment)

    def guarded_call(self: Any, environment: dict[str, Any]) -> None:
        write("test", question)
        for name in restore(kept):
            write("restored", name)
            write("test", question)
        if question in fail:
            raise AssertionError(fail[question])
        clock.start()
        try:
            call(self, environment)
        except (SystemExit, KeyboardInterrupt, GeneratorExit) as error:
            raise AssertionError(f"the answer raised {type(error).__name__}") from None
        finally:
            clock.stop()

    def message(self: Any, error: Exception, context: int = 0) -> str:
        return f"{type(error).__name__}: {error}"

    exception_test.ExceptionTestFile.run = guarded_run
    exception_test.ExceptionTestFile._generate_error_message = message
    exception_test.test_case.call_func = guarded_call


def keep_kernel(shell: Any) -> None:
    """Let `exit()` and `quit()` raise an error."""

    def leave(*_: Any, **__: Any) -> None:
        raise RuntimeError("exit() was called; the grader goes on with the next cell.")

    shell.ask_exit = leave
    for name in ("exit", "quit"):
        shell.user_ns[name] = leave
        setattr(importlib.import_module("builtins"), name, leave)


def cap(stream: Any) -> None:
    """Cut what a stream takes after `OUTPUT` characters, until the next call."""
    if not hasattr(stream, "write"):
        return
    write = getattr(stream.write, "__wrapped__", stream.write)
    left = OUTPUT

    @functools.wraps(write)
    def capped(text: str) -> int:
        nonlocal left
        if left > 0:
            write(text[:left])
            left -= len(text)
            if left <= 0:
                write("\n… the grader cuts what one cell prints here.\n")
        return len(text)

    stream.write = capped
