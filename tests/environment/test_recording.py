from __future__ import annotations

import json
from pathlib import Path

import pytest

from environment.backends.replay_backend import ReplayBackend
from environment.multihop.recorded import MODELS, RECORDING, STRATEGIES, load_recording, recordable_task, recorded_task
from environment.multihop.recording_card import benchmark_card
from environment.multihop.stages import PROMPTS
from environment.multihop.weights import WEIGHTS
from environment.prompt_template import PromptTemplate
from environment.recorder import Progress, Recorder, collect
from environment.recording import Recording
from environment.sampler import Sampler
from storage.database import Database
from storage.sample import Sample
from storage.samples import SampleStore


def test_the_shipped_card_tells_what_the_file_holds() -> None:
    held = load_recording(RECORDING)
    card = held.card
    everything = [sample for samples in held.samples.values() for sample in samples.values()]
    assert card["requests"] == len(held.samples)
    assert card["samples"] == held.size == len(everything)
    for count in ("prompt_tokens", "generation_tokens"):
        assert card[count] == sum(getattr(sample, count) for sample in everything)
    for count in ("requests", "samples", "prompt_tokens", "generation_tokens"):
        assert card[count] == sum(of_model[count] for of_model in card["by_model"].values())
    assert sum(entry["requests"] for entry in card["sampling"]) == card["requests"]
    assert [entry["sha256"] for entry in card["weights"]] == [weights.sha256 for weights in WEIGHTS]
    assert [entry["model"] for entry in card["weights"]] == card["models"] == [model.name for model in MODELS]


def test_the_shipped_recording_was_made_with_these_prompts() -> None:
    prompts = load_recording(RECORDING).card["prompts"]
    assert prompts == {name: PromptTemplate(PROMPTS / name).digest for name in prompts}


@pytest.mark.slow
async def test_a_part_of_the_recording_records_again_to_the_same_samples(tmp_path: Path) -> None:
    held = load_recording(RECORDING)
    backends = {model.name: ReplayBackend(held, "the recording") for model in MODELS}
    task = recordable_task(backends, examples=(1, 1))
    shown: list[Progress] = []
    with Database.open("sqlite://") as database:
        store = SampleStore(database)
        recorder = Recorder(task, Sampler(store, backends), STRATEGIES)
        needed = await recorder.record([*task.search_examples, *task.held_out_examples], shown.append)
        samples = collect(store, needed)
    assert shown[-1].done == shown[-1].examples == 2
    assert all(held.samples[key] == of_key for key, of_key in samples.items())
    card = benchmark_card(needed, samples, 1)
    assert card["requests"] == len(samples)
    assert card["samples"] == shown[-1].usage.paid
    file = tmp_path / "part.jsonl.xz"
    Recording(card, samples).write(file)
    again = Recording.read(file)
    assert again.samples == samples
    assert again.card == json.loads(json.dumps({"format": 1, **card}))
    part = recorded_task(recording=str(file))
    assert len(part.search_examples) == len(part.held_out_examples) == 1


def test_log_probabilities_are_kept_where_they_are_known(tmp_path: Path) -> None:
    samples = {"k": {0: Sample("a", 9, 1, 0.5, "stop", -0.25), 1: Sample("b", 0, 1, 0.5, "length")}}
    Recording({}, samples).write(tmp_path / "r.xz")
    assert Recording.read(tmp_path / "r.xz").samples == samples
