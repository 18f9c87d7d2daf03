"""The landing page: a map of all chapters, three doors, the site in one file."""

import zipfile

import pytest
from bs4 import BeautifulSoup

import landing
from chapters import SITE, chapters, pages


@pytest.fixture(scope="module")
def index():
    return BeautifulSoup((SITE / "index.html").read_text(), "html.parser")


def test_the_map_has_every_chapter(index):
    rows = index.select(".chapter-map tbody tr")
    assert [row.select("td")[1].a["href"] for row in rows] == [
        f"{page}.html" for page in chapters()[1:]
    ]
    assert [row.select("td")[0].get_text(strip=True) for row in rows] == [
        str(i) for i in range(1, len(chapters()))
    ]
    assert all(row.select("td")[3].get_text().strip().endswith(" s") for row in rows)


def test_what_a_chapter_needs_comes_before_it():
    assert list(landing.NEEDS) == chapters()[1:]
    order = landing.numbers()
    for page, needs in landing.NEEDS.items():
        assert all(order[other] < order[page] for other in needs)


def test_the_whole_site_is_one_file():
    with zipfile.ZipFile(SITE / landing.ARCHIVE) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        for page in pages():
            name = f"plateaus-and-power-laws/{page}.html"
            assert archive.read(name) == (SITE / f"{page}.html").read_bytes()
    assert not [name for name in names if name.endswith((".zip", ".pickle"))]
    assert (SITE / landing.ARCHIVE).stat().st_size < 25e6


def test_links_to_the_site_have_a_preview(index):
    meta = {tag.get("property"): tag.get("content") for tag in index.find_all("meta")}
    assert meta["og:title"] == meta["og:site_name"] == "Plateaus and Power Laws"
    assert meta["og:image"].endswith("_static/cover.png")
    assert len(meta["og:image:alt"].split()) > 8
    assert index.find("link", rel="icon")["href"] == "_static/favicon.svg"
    assert (SITE / "_static" / "favicon.svg").is_file()


def test_it_says_how_to_cite(index):
    assert "@book{plateaus" in index.select_one("#cite-this-book").get_text()
