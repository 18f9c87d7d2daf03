"""Plateaus and Power Laws: what SGD learns, and when.

One package for the two parts of the book: `plateaus.composition` and
`plateaus.emergence`, which never import each other. `plateaus.experiments`
runs both at full size, also as the command `plateaus`. `plateaus.book` holds
what a chapter calls beside the mathematics, `plateaus.figures` the house
style of its figures.
"""

__title__ = "Plateaus and Power Laws: what SGD learns, and when"
__authors__ = "The Plateaus and Power Laws team"
__year__ = 2026
