"""Plateaus and Power Laws: what SGD learns, and when.

One package for the two parts of the book: `plateaus.composition` and
`plateaus.emergence`, which never import each other. `plateaus.book` holds
what a chapter calls beside the mathematics, `plateaus.figures` the house
style of its figures.
"""
