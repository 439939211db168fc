"""Software from a description alone, as in ChatDev's SRDD (Qian et al. 2024, arXiv 2307.07924)."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path

from environment.software.embedding import Similarity
from environment.software.example import SoftwareExample
from environment.software.execution import start
from environment.software.inspection import completeness, faults
from environment.software.programs import Programs
from environment.software.stages import CODING, DYNAMIC_TESTING, STATIC_TESTING, CodeStage, Upstream, latest
from tools.errors import InvalidInput, UnknownName

CONSISTENCY, EXECUTABILITY, QUALITY = "consistency", "executability", "quality"
METRICS = (QUALITY, CONSISTENCY, EXECUTABILITY)
FIELDS = ("Name", "Description")


def load_srdd(path: Path) -> list[SoftwareExample]:
    """SRDD's records of a CSV file with the columns Name and Description, in file order, each once.

    Raises InvalidInput naming the file, the record (counted from 1) and the field.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if missing := [field for field in FIELDS if field not in (rows.fieldnames or ())]:
                raise InvalidInput(
                    "path", f"{path} lacks the columns {', '.join(missing)}; its first line must name them"
                )
            examples = [_example(path, number, row) for number, row in enumerate(rows, 1)]
    except OSError as error:
        raise InvalidInput("path", f"cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput("path", f"{path} is not CSV: {error}") from None
    if not examples:
        raise InvalidInput("path", f"{path} holds no record")
    return list({example.id: example for example in examples}.values())


def _example(path: Path, number: int, row: Mapping[str, str | None]) -> SoftwareExample:
    name, description = ((row[field] or "").strip() for field in FIELDS)
    for field, value in (("Name", name), ("Description", description)):
        if not value:
            raise InvalidInput("path", f"{path} record {number}: {field} is empty")
    digest = hashlib.sha256(f"{name}\n{description}".encode()).hexdigest()
    return SoftwareExample(f"srdd-{digest[:12]}", f"Write a program called {name}.\n{description}")


class ProgramStage(CodeStage):
    """A stage on whole programs, scored by consistency: how near code and description are in meaning."""

    metric = CONSISTENCY

    def __init__(self, programs: Programs, max_tokens: int, similarity: Similarity) -> None:
        super().__init__(programs, max_tokens)
        self._similarity = similarity

    def consistency(self, output: str, example: SoftwareExample) -> float:
        """The cosine of the embeddings of description and code. Raises EndpointError."""
        return self._similarity(example.requirement, output)

    def score(self, output: str, example: SoftwareExample) -> float:
        return self.consistency(output, example)


class ProgramCodingStage(ProgramStage):
    """Writes the program."""

    name = CODING
    template = "program.j2"

    def shown(self, example: SoftwareExample, upstream: Upstream) -> dict[str, object]:
        return {"requirement": example.requirement}


class ProgramStaticTestingStage(ProgramStage):
    """Reads the program, together with the faults that are sure, and repairs it."""

    name = STATIC_TESTING
    template = "static_testing.j2"

    def shown(self, example: SoftwareExample, upstream: Upstream) -> dict[str, object]:
        code = latest(upstream)
        return {"requirement": example.requirement, "checks": (), "code": code, "faults": faults(code)}


class ProgramDynamicTestingStage(ProgramStage):
    """Starts the program, sees what happened, and repairs it.

    Its metric is ChatDev's quality (completeness x executability x consistency) or one of its parts.
    """

    name = DYNAMIC_TESTING
    template = "dynamic_testing.j2"

    def __init__(self, programs: Programs, max_tokens: int, similarity: Similarity, metric: str = QUALITY) -> None:
        """Raises UnknownName for another metric than those of METRICS."""
        super().__init__(programs, max_tokens, similarity)
        if metric not in METRICS:
            raise UnknownName("metric", metric, METRICS)
        self.metric = metric

    def shown(self, example: SoftwareExample, upstream: Upstream) -> dict[str, object]:
        code = latest(upstream)
        happened = [start(self._programs, code).happened]
        return {"requirement": example.requirement, "checks": (), "code": code, "happened": happened}

    def score(self, output: str, example: SoftwareExample) -> float:
        """Raises SandboxError or EndpointError."""
        if self.metric == CONSISTENCY:
            return self.consistency(output, example)
        runs = float(start(self._programs, output).runs)
        if self.metric == EXECUTABILITY or not runs:
            return runs
        return completeness(output) * self.consistency(output, example)
