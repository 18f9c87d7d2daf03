"""Kernels that are spoken to through files: pytest's `conftest.py` where chapters run.

By default, Jupyter looks for free ports, closes them, and tells the kernel, which takes them a
second or two later. When two chapters start at once, another kernel may be quicker, and the
chapter fails before its first cell. A file of one's own is never taken.
"""

import functools
import tempfile
import uuid
from pathlib import Path

import nbmake.nb_run
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from traitlets import default

FOLDER = tempfile.TemporaryDirectory(prefix="kernels-")


class FileKernelManager(AsyncKernelManager):
    """A kernel's manager that connects to it through files in a temporary folder."""

    @default("connection_file")
    def _own_file(self) -> str:
        return str(Path(FOLDER.name) / f"{uuid.uuid4().hex}.json")

    @default("transport")
    def _files(self) -> str:
        return "ipc"


nbmake.nb_run.NotebookClient = functools.partial(
    NotebookClient, kernel_manager_class=FileKernelManager
)
