"""Sphinx: a page's launch and download buttons, from the repository that the site is built from."""

from typing import Any

from sphinx.application import Sphinx

import repository
from chapters import chapters


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the buttons, after the theme has made its own."""
    app.connect("html-page-context", add_buttons, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_buttons(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Put the buttons of a chapter at the head of the theme's list."""
    if page not in chapters():
        return
    root = context["pathto"]("index").removesuffix("index.html").removesuffix("#")
    download = {
        "text": "Notebook",
        "tooltip": "Download this chapter as a notebook",
        "url": f"{root}notebooks/{page}.ipynb",
        "icon": "fas fa-download",
    }
    links = [download]
    if (repo := repository.find()) is not None:
        launchers = [
            ("Colab", "colab.png", repo.colab(page)),
            ("Binder", "binder.svg", repo.binder(page)),
        ]
        for name, logo, url in launchers:
            if url is not None:
                links.append(
                    {
                        "text": name,
                        "tooltip": f"Run this chapter on {name}",
                        "url": url,
                        "icon": f"_static/images/logo_{logo}",
                    }
                )
    group = {
        "type": "group",
        "tooltip": "Run or download this chapter",
        "icon": "fas fa-rocket",
        "label": "launch-buttons",
        "buttons": [{"type": "link", **link} for link in links],
    }
    context["header_buttons"].insert(0, group)
