"""Configuration's own name for the problems that all rooms share."""

from remixer.foundation.problems import NO_LOCATION, Location, Problem, Severity

__all__ = ["NO_LOCATION", "Location", "Problem", "Severity"]
