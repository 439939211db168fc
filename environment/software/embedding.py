"""How near two texts are in meaning: the cosine of their embeddings."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from environment.backends.endpoint import Endpoint
from tools.errors import EndpointError, InvalidInput

LOCAL = "local"
SPEC = re.compile(r"^(?P<model>.+)@(?P<url>https?://\S+)$")
LONGEST = 8000
"""Characters of a text that are embedded; endpoints refuse texts beyond their context."""

MOST_KEPT = 20_000
SECONDS_TO_ANSWER = 120.0
Vectors = npt.NDArray[np.float64]


class Embedding(Protocol):
    """Maps texts to vectors. Called from several threads."""

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """A row for each text. Raises EndpointError when they cannot be had."""
        ...


class Similarity:
    """The cosine of two texts' embeddings, in [0, 1]: nothing in common or opposite is 0.

    Cosines are remembered by content.
    """

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __call__(self, text: str, other: str) -> float:
        """Raises what the embedding raises."""
        if not text.strip() or not other.strip():
            return 0.0
        pair = (text[:LONGEST], other[:LONGEST])
        known = self._known.get(pair)
        if known is None:
            a, b = self._embedding.vectors(pair)
            length = float(np.linalg.norm(a) * np.linalg.norm(b))
            known = min(1.0, max(0.0, float(a @ b) / length)) if length else 0.0
            self._known[pair] = known
            if len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)
        return known


def embedding_of(spec: str) -> Embedding:
    """The embedding that a text names: "local", or MODEL@URL of an OpenAI-compatible endpoint.

    Raises InvalidInput when it is neither or the local one is not installed.
    """
    if spec == LOCAL:
        return LocalEmbedding()
    match = SPEC.match(spec)
    if match is None:
        raise InvalidInput("embedding", f"{spec!r} is neither 'local' nor MODEL@URL of an embeddings endpoint")
    return EndpointEmbedding(match["model"], Endpoint(match["url"], timeout=SECONDS_TO_ANSWER))


class LocalEmbedding:
    """WordLlama's static token embeddings, whose weights its package ships: 256 dimensions, no network."""

    def __init__(self) -> None:
        try:
            import wordllama
        except ImportError:
            raise InvalidInput(
                "embedding",
                "the local one is not installed: pip install 'agenttts[embedding]', "
                "or name an endpoint, embedding=MODEL@URL",
            ) from None
        # Release 0.4.0 looks for its own tokenizer in a folder that it calls differently; as a
        # cache, the package's folder is searched under the right name.
        package = Path(wordllama.__file__).parent
        self._model: Any = wordllama.WordLlama.load(cache_dir=package, disable_download=True)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        return np.asarray(self._model.embed(list(texts)), dtype=np.float64)


class EndpointEmbedding:
    """An embeddings endpoint that speaks OpenAI's protocol."""

    def __init__(self, model: str, endpoint: Endpoint) -> None:
        from environment.backends.endpoint_client import client

        self._name = model
        self._address = endpoint.address
        self._client = client(endpoint, endpoint.timeout, endpoint.max_attempts - 1)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        from openai import OpenAIError

        try:
            answer = self._client.embeddings.create(model=self._name, input=list(texts), encoding_format="float")
            rows = np.asarray([row.embedding for row in sorted(answer.data, key=lambda row: row.index)], np.float64)
        except (OpenAIError, ValueError, TypeError, AttributeError) as error:
            raise EndpointError(f"{self._address}: no embedding of {self._name!r}: {error}") from None
        if rows.ndim != 2 or len(rows) != len(texts) or not np.isfinite(rows).all():
            raise EndpointError(f"{self._address}: {self._name!r} gave no usable embeddings of {len(texts)} texts")
        return rows
