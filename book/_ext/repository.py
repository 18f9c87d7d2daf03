"""Where this copy of the book comes from, so that its links lead there and nowhere else.

The answer is the `origin` remote, or what GitHub Actions says, so a fork's site links to the fork.
Without either there is no repository, and pages carry no launch button.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from chapters import ROOT

BRANCH = "gh-pages"
"""The branch that holds the published site and, under `notebooks/`, the notebooks."""


@dataclass(frozen=True)
class Repository:
    """A repository that others can reach.

    Attributes:
        url: what `git clone` takes.
        revision: the commit that the site is built from.
        github: `owner/name` on GitHub, or None elsewhere.
    """

    url: str
    revision: str
    github: str | None

    def colab(self, page: str) -> str | None:
        """The address that opens a chapter in Colab; None where Colab cannot reach it."""
        if self.github is None:
            return None
        return f"https://colab.research.google.com/github/{self.github}/blob/{BRANCH}/notebooks/{page}.ipynb"

    def binder(self, page: str) -> str | None:
        """The address that opens a chapter in Binder; None where Binder cannot reach it."""
        if self.github is None:
            return None
        return f"https://mybinder.org/v2/gh/{self.github}/{BRANCH}?urlpath=lab/tree/notebooks/{page}.ipynb"

    def site(self) -> str | None:
        """The address of the published site on GitHub Pages."""
        if self.github is None:
            return None
        owner, name = self.github.split("/")
        host = f"https://{owner.lower()}.github.io/"
        return host if name.lower() == f"{owner.lower()}.github.io" else f"{host}{name}/"


def find(url: str | None = None, revision: str | None = None) -> Repository | None:
    """The repository that this copy was cloned from, or None.

    Arguments:
        url: instead of what the environment and git say.
        revision: likewise.
    """
    if url is None and "GITHUB_REPOSITORY" in os.environ:
        server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
        url = f"{server}/{os.environ['GITHUB_REPOSITORY']}"
        revision = revision or os.environ.get("GITHUB_SHA")
    if url is None:  # the remote of this folder, not of a repository around it
        top = _git("rev-parse", "--show-toplevel")
        url = _git("remote", "get-url", "origin") if top and Path(top).resolve() == ROOT else None
    revision = revision or _git("rev-parse", "HEAD")
    if not url or not revision:
        return None
    ssh = re.fullmatch(r"(?:ssh|git)://(?:[^@/]+@)?([^:/]+)(?::\d+)?/+(.+)", url) or re.fullmatch(
        r"[^@/:]+@([^:/]+):/*(.+)", url
    )
    if ssh:
        url = f"https://{ssh[1].removeprefix('ssh.')}/{ssh[2]}"
    url = re.sub(r"^http://(?=github\.com/)", "https://", url)
    url = re.sub(r"^(https?://)[^/@]*@", r"\1", url).removesuffix("/").removesuffix(".git")
    if "://" not in url:  # a folder, perhaps relative
        url = (ROOT / url).resolve().as_uri()
    on_github = re.fullmatch(r"https://github\.com/([^/]+/[^/]+)", url)
    return Repository(url, revision, on_github[1] if on_github else None)


def _git(*command: str) -> str | None:
    try:
        done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
