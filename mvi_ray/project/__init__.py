"""The rooms composed into the verbs of the command line; the public Python API."""

from mvi_ray.project.project import Project

__all__ = ["Project"]
