"""The exported notebooks: the chapter's code, the page's prose, nothing raw."""

import re
import sys

import nbformat
import pytest
from bs4 import BeautifulSoup

import repository
from chapters import SITE, chapters, code_cells, notebook, tags
from export import NOTEBOOKS, install_cell
from repository import find

RAW = re.compile(
    r"\{(prf:|ref|eq|numref|cite|glue|doc|math|figure|exercise|solution)|:::|KEPT|^CELL ", re.M
)


def exported(page):
    return nbformat.read(NOTEBOOKS / f"{page}.ipynb", 4)


def prose(page):
    return "\n\n".join(cell.source for cell in exported(page).cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("page", chapters())
def test_code_cells_are_the_chapters(page):
    first, *cells = code_cells(exported(page))
    chapter = code_cells(notebook(page))
    assert first.source == install_cell(find())
    assert [cell.source for cell in cells] == [cell.source for cell in chapter]
    assert [tags(cell) for cell in cells] == [tags(cell) for cell in chapter]


@pytest.mark.parametrize(
    "repo", [None, repository.Repository("https://git.example/book", "a1", None)]
)
def test_the_first_cell_installs_what_is_missing(repo, monkeypatch, tmp_path):
    """Run it in a folder within an unpacked copy, with pip's call caught."""
    calls = []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("subprocess.run", lambda command, check: calls.append((command, check)))
    copy = tmp_path / "book"
    (copy / "lib/plateaus").mkdir(parents=True)
    (copy / "build/notebooks").mkdir(parents=True)
    monkeypatch.chdir(copy / "build/notebooks")
    exec(install_cell(repo), {})
    source = "git+https://git.example/book@a1" if repo else str(copy)
    assert calls == [([sys.executable, "-m", "pip", "install", "--quiet", source], True)]


def test_the_first_cell_says_when_there_is_no_copy(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match="Write the folder of the unpacked book into SOURCE"):
        exec(install_cell(None), {})


def test_the_first_cell_leaves_an_installed_package_alone(monkeypatch, tmp_path):
    monkeypatch.setattr("subprocess.run", lambda *arguments, **options: pytest.fail("it installs"))
    monkeypatch.chdir(tmp_path)
    exec(install_cell(None), {})


@pytest.mark.parametrize("page", chapters())
def test_prose_has_nothing_raw(page):
    assert RAW.search(re.sub(r"\$.*?\$", "", prose(page), flags=re.S)) is None


@pytest.mark.parametrize("page", chapters())
def test_prose_has_the_pages_headings_statements_and_captions(page):
    article = BeautifulSoup((SITE / f"{page}.html").read_text(), "html.parser").article
    words = re.sub(r"\W+", "", prose(page))
    for math in article.select(".math, .headerlink"):
        math.decompose()
    for part in article.select("h1, h2, h3, .admonition-title, .caption-number, summary"):
        if part.find_parent(class_="cell") and "caption-number" not in part.get("class", []):
            continue  # the page folds this cell
        for piece in part.stripped_strings:
            assert re.sub(r"\W+", "", piece) in words, piece


@pytest.mark.parametrize("page", chapters())
def test_formulas_are_the_pages(page):
    article = BeautifulSoup((SITE / f"{page}.html").read_text(), "html.parser").article
    assert prose(page).count("\n$$\n") == 2 * len(article.select("div.math"))


@pytest.mark.parametrize("page", chapters())
def test_links_within_a_notebook_have_a_target(page):
    text = prose(page)
    for name in re.findall(r"\]\(#([^)]+)\)", text):
        assert f'<a name="{name}"></a>' in text, name


@pytest.mark.parametrize("page", chapters())
def test_notebook_is_valid_and_carries_outputs(page):
    nb = exported(page)
    nbformat.validate(nb)
    assert not any("scrapbook" in str(cell.get("outputs", "")) for cell in nb.cells)
    assert any(cell.outputs for cell in code_cells(nb))
