"""Where links lead: to the repository that this copy comes from, fork or not, or nowhere."""

import pytest

import repository
from export import install_cell
from repository import find


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/ada/book",
        "https://github.com/ada/book.git",
        "https://github.com/ada/book/",
        "git@github.com:ada/book.git",
        "ssh://git@github.com/ada/book",
        "https://secret:token@github.com/ada/book",
        "http://github.com/ada/book",
        "git://github.com/ada/book.git",
        "git@github.com:/ada/book.git",
        "org-1@github.com:ada/book.git",
        "ssh://git@github.com:22/ada/book.git",
        "ssh://git@ssh.github.com:443/ada/book.git",
    ],
)
def test_a_fork_on_github(url):
    repo = find(url, "abc123")
    assert repo.url == "https://github.com/ada/book"
    assert repo.colab("emergence/hermite") == (
        "https://colab.research.google.com/github/ada/book/blob/gh-pages/"
        "notebooks/emergence/hermite.ipynb"
    )
    assert repo.binder("index") == (
        "https://mybinder.org/v2/gh/ada/book/gh-pages?urlpath=lab/tree/notebooks/index.ipynb"
    )
    assert repo.site() == "https://ada.github.io/book/"


def test_a_site_of_its_owner():
    assert find("https://github.com/Ada/ada.github.io", "abc").site() == "https://ada.github.io/"


@pytest.mark.parametrize("url", ["https://git.example.org/ada/book", "/some/where/book"])
def test_elsewhere_there_is_nothing_to_launch(url):
    repo = find(url, "abc123")
    assert (repo.colab("index"), repo.binder("index"), repo.site()) == (None, None, None)
    assert "git+" in install_cell(repo)
    assert "@abc123" in install_cell(repo)


def test_a_copy_inside_another_repository_is_not_that_repository(monkeypatch, tmp_path):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    answers = {"rev-parse": str(tmp_path), "remote": "https://github.com/someone/thesis"}
    monkeypatch.setattr(repository, "_git", lambda command, *rest: answers[command])
    assert find() is None


def test_a_relative_remote_is_a_folder():
    assert find("../book", "abc").url.startswith("file:///")


def test_github_actions_says_where(monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "ada/book")
    monkeypatch.setenv("GITHUB_SHA", "fedcba")
    assert find() == repository.Repository("https://github.com/ada/book", "fedcba", "ada/book")


def test_no_remote(monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setattr(repository, "_git", lambda *command: None)
    assert find() is None
    assert "unpacked copy" in install_cell(None)
