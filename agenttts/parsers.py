"""Parsers with arguments, for `parse=` of a pipeline's stage or of a graph's node."""

from __future__ import annotations

from environment.pipelines.parsers import candidates_parser as candidates
from environment.pipelines.parsers import json_path_parser as json_path
from environment.pipelines.parsers import regex_parser as regex

__all__ = ["candidates", "json_path", "regex"]
