"""The built site: every link leads somewhere, every image speaks, nothing is fetched."""

import re
import subprocess
import sys
from functools import cache
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup

import repository
from chapters import ROOT, SITE, chapters, pages

MEGABYTES = 3.0


@cache
def html(page):
    return BeautifulSoup((SITE / f"{page}.html").read_text(), "html.parser")


@cache
def names(file):
    soup = BeautifulSoup(file.read_text(), "html.parser")
    return {tag["id"] for tag in soup.find_all(id=True)} | {
        tag["name"] for tag in soup.find_all("a", attrs={"name": True})
    }


def local(page, address):
    """The file that an address on a page leads to, and the name within it."""
    path, _, name = address.partition("#")
    file = SITE / f"{page}.html"
    if path:
        file = (file.parent / unquote(path.partition("?")[0])).resolve()
    return file, name


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page):
    for link in html(page).find_all("a", href=True):
        if re.match(r"[a-z]+:", link["href"]):
            continue
        file, name = local(page, link["href"])
        assert file.is_file(), link
        if name and file.suffix == ".html":
            assert unquote(name) in names(file), link


@pytest.mark.parametrize("page", pages())
def test_images_have_alternative_text(page):
    for image in html(page).select("article img"):
        assert len(image.get("alt", "").split()) >= 4, image


@pytest.mark.parametrize("page", pages())
def test_figures_have_captions(page):
    for image in html(page).select(".cell_output img"):
        assert image.find_parent("figure") is not None, "a figure needs a caption and a name"
        assert image.find_parent("figure").find("figcaption") is not None


def resources(page):
    """What a browser loads with a page."""
    soup = html(page)
    rels = {"stylesheet", "preload", "icon", "shortcut"}
    return [
        *(tag["src"] for tag in soup.find_all(["script", "img", "iframe", "source"], src=True)),
        *(
            tag["href"]
            for tag in soup.find_all("link", href=True)
            if rels & set(tag.get("rel", []))
        ),
    ]


@pytest.mark.parametrize("page", [*pages(), "search", "genindex"])
def test_nothing_is_fetched_from_elsewhere(page):
    for address in resources(page):
        assert not re.match(r"[a-z]+:|//", address) or address.startswith("data:"), address
        assert local(page, address)[0].is_file(), address
    for script in html(page).find_all("script", src=False):
        assert not re.search(r"https?://", script.get_text()), script


def test_style_sheets_fetch_nothing():
    for file in SITE.glob("_static/**/*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import ['\"]https?:", file.read_text()), (
            file
        )


@pytest.mark.parametrize("page", pages())
def test_weight(page):
    """An upper bound: with all of MathJax and its fonts, though a page loads a part of them."""
    files = {SITE / f"{page}.html", *(local(page, address)[0] for address in resources(page))}
    files |= {
        file for file in (SITE / "_static/mathjax").rglob("*.*") if "extensions" not in file.parts
    }
    files |= {SITE / "_static/vendor/fontawesome/webfonts/fa-solid-900.woff2"}
    assert sum(file.stat().st_size for file in files) / 1e6 <= MEGABYTES


@pytest.mark.parametrize("page", chapters())
def test_launch_buttons_are_those_of_the_repository(page):
    links = [a["href"] for a in html(page).select(".dropdown-launch-buttons a")]
    repo = repository.find()
    expected = [] if repo is None else [repo.colab(page), repo.binder(page)]
    assert [link for link in links if link.startswith("http")] == [url for url in expected if url]
    assert any(link.endswith(f"notebooks/{page}.ipynb") for link in links)


def test_spelling():
    texts = ["book", "lib", "tests", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *texts], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
