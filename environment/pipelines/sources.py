"""Where the generations of a person's pipeline come from: endpoints, or a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from environment.backend import Backend
from environment.backends.endpoint import Endpoint
from environment.backends.replay_backend import ReplayBackend
from environment.model_spec import SECONDS_TO_ANSWER
from environment.recording import Recording
from tools.errors import InvalidInput
from tools.space import Model

RECORDINGS = Path(__file__).parents[1] / "recordings"
SUFFIX = ".jsonl.xz"


@dataclass(frozen=True, slots=True)
class Source:
    """`connect` opens a backend for each model's name; `recorded_from` names a recording's models."""

    connect: Callable[[], Mapping[str, Backend]]
    recorded_from: str = ""


def endpoint_source(models: Sequence[Model], endpoints: Sequence[Endpoint] = ()) -> Source:
    """The models' own endpoints; `endpoints` says how to drive those that it lists.

    Models behind one endpoint share its backend. Raises InvalidInput for a model without endpoint
    and for an unusable URL.
    """
    known = {endpoint.address: endpoint for endpoint in endpoints}
    addresses: dict[str, str] = {}
    for model in models:
        if not model.endpoint:
            raise InvalidInput(
                f"model {model.name!r} endpoint", "is missing; give the server's URL, such as http://127.0.0.1:8080/v1"
            )
        address = model.endpoint.rstrip("/")
        if address not in known:
            # A server without a GPU may need minutes for the long prompts it was sent side by side.
            known[address] = Endpoint(model.endpoint, timeout=SECONDS_TO_ANSWER)
        addresses[model.name] = address

    def connect() -> Mapping[str, Backend]:
        from environment.backends.openai_backend import OpenAIBackend

        opened = {address: OpenAIBackend(known[address]) for address in set(addresses.values())}
        return {model: opened[address] for model, address in addresses.items()}

    return Source(connect)


def recording_source(models: Sequence[Model], recording: str, folder: Path) -> Source:
    """Recorded generations: of a recording that ships with the package, by name, or of a file.

    Raises InvalidInput when there is no such recording or it knows none of a model.
    """
    path = folder / recording if recording.endswith(SUFFIX) else RECORDINGS / f"{recording}{SUFFIX}"
    if not path.is_file():
        shipped = ", ".join(sorted(found.name.removesuffix(SUFFIX) for found in RECORDINGS.glob(f"*{SUFFIX}")))
        raise InvalidInput("recording", f"there is no {recording!r}; name a {SUFFIX} file or one of: {shipped}")
    held = Recording.read(path)
    known = held.models
    for model in models:
        if model.name not in known:
            raise InvalidInput(
                f"model {model.name!r}", f"is not in the recording {recording!r}, which holds: {', '.join(known)}"
            )
    remedy = "a changed prompt or data set has no recorded answers: give the models endpoints in place of the recording"
    backend = ReplayBackend(held, f"the recording {held.name!r}", remedy)
    return Source(lambda: {model.name: backend for model in models}, ", ".join(known))
