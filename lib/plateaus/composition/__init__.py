"""Part I: learning compositional functions from easy-to-hard data."""

from plateaus.composition.story import Story, story
from plateaus.composition.task import Task

__all__ = ["Story", "Task", "story"]
