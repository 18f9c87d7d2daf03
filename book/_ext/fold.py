"""Sphinx: proofs and solutions fold without a script, as `<details>` that print opens.

The directives mark them with the class `dropdown`; here the page's HTML is mended, and so are the
identifiers that the proof and exercise extensions give twice on one page.
"""

from typing import Any

from bs4 import BeautifulSoup, Tag
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the change, late, when the body of a page is complete."""
    app.connect("html-page-context", fold_page, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def fold_page(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Mend the body of a page, where it has something to fold."""
    if "dropdown admonition" in context.get("body", ""):
        context["body"] = fold(context["body"])


def fold(html: str) -> str:
    """Turn each admonition of class `dropdown` into a `<details>`."""
    soup = BeautifulSoup(html, "html.parser")
    for box in soup.select("div.dropdown.admonition"):
        title = box.find("p", class_="admonition-title", recursive=False)
        summary = soup.new_tag("summary")
        if isinstance(title, Tag):
            summary.extend(list(title.contents))
            title.decompose()
        else:  # a proof has no title; its first paragraph opens with the word
            first = box.find(string=lambda text: text.startswith("Proof. "))
            if first is not None:
                first.replace_with(first.removeprefix("Proof. "))
            summary.string = "Proof"
        box.name = "details"
        box["class"] = [name for name in box["class"] if name not in ("dropdown", "admonition")]
        box["class"] += ["folded"]
        box.insert(0, summary)
    for section in soup.select("section[id$=-content]"):
        del section["id"]
    return str(soup)
