"""How the inner loops on the CPU are compiled.

Sums may be reordered, which lets the compiler use vector instructions; nothing assumes that numbers
are finite. Machine code is kept beside the source, or else in the user's cache, so that it is made
once and not in every process; where neither can be written, it is made anew. It is renewed where
the source file changes; after a change of the options here, delete the folders __pycache__.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.core.dispatcher import Dispatcher

Function = TypeVar("Function", bound=Callable[..., Any])

_njit: Any = numba.njit


def compiled(function: Function) -> Function:
    """Compile a function when it is first called. It may call none from another file.

    One that encloses compiled functions is not kept: no other process would know it again.
    """
    options = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}}
    cells = function.__closure__ or ()
    keep = not any(isinstance(cell.cell_contents, Dispatcher) for cell in cells)
    try:
        result: Function = _njit(cache=keep, **options)(function)
    except RuntimeError:  # nowhere to keep it
        result = _njit(**options)(function)
    return result
