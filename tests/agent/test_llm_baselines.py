from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.llm.agent_searcher import PROMPTS, RANDOM, AgentSearcher
from agent.llm.agenthpo import AgentHpoSearcher
from agent.llm.chat import ChatAnswer, ChatModel, ToolCall
from agent.llm.experience import read_experience
from agent.llm.llm_zs import LlmZeroShotSearcher
from agent.llm.mlcopilot import MlCopilotSearcher
from agent.search import Search, trial_row
from agent.searcher import SEARCHERS
from agenttts.testing.searchers import SearcherConformance, drive, score
from tests.agent.test_llm import BAD, PROBLEM, SPACE, ScriptedChat, answer, decisions, stage
from tools.errors import InvalidInput, UnknownName

SIMILAR = [
    {"allocation": {"find": stage("big", 2), "solve": stage("tiny", 9)}, "score": 0.4, "stage_scores": {"find": 0.9}},
    {"allocation": {"find": stage("tiny", 5), "solve": stage("tiny", 1)}, "score": 0.6},
]
CLASSES: Mapping[str, tuple[type[AgentSearcher], Mapping[str, Any]]] = {
    "llm-zs": (LlmZeroShotSearcher, {}),
    "agenthpo": (AgentHpoSearcher, {}),
    "mlcopilot": (MlCopilotSearcher, {"similar": SIMILAR}),
}
FIRST = answer((stage("8b", 3), stage("1b", 4)), (stage("8b", 5), stage("8b", 6)))
SECOND = answer((stage("1b", 7), stage("1b", 4)), (stage("1b", 8), stage("8b", 6)))


class RecordingChat(ScriptedChat):
    """Keeps whole conversations and the names of the functions it was offered."""

    def __init__(self, proposals: Sequence[str], calls: Sequence[ToolCall] = ()) -> None:
        super().__init__(proposals, calls)
        self.texts: list[str] = []
        self.offered: set[str] = set()

    def complete(self, messages: Any, *, max_tokens: int, schema: Any = None, tools: Any = ()) -> ChatAnswer:
        self.texts.append("\n".join(message["content"] for message in messages))
        self.offered |= {tool["function"]["name"] for tool in tools}
        return super().complete(messages, max_tokens=max_tokens, schema=schema, tools=tools)


def search_with(name: str, chat: ChatModel, **options: Any) -> Search:
    kind, given = CLASSES[name]
    scripted = type("Scripted", (kind,), {"connect": lambda _: chat})
    return Search(SPACE, None, scripted(PROBLEM, 0, **given, **options))


def two_batches(name: str, chat: ChatModel) -> Search:
    return drive(search_with(name, chat), 4, batch=2)


@pytest.fixture(params=CLASSES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_is_found_by_name(name: str) -> None:
    assert SEARCHERS.get(name) is CLASSES[name][0]
    assert CLASSES[name][0].name == name


def test_every_trial_is_the_models_from_the_first_on(name: str) -> None:
    search = two_batches(name, RecordingChat([FIRST, SECOND]))
    assert [trial.origin for trial in search.trials] == [name] * 4
    assert not any("Insight" in trial.reason for trial in search.trials)


def insights() -> list[str]:
    """The sentences by which the llm searcher's prompts tell the insights."""
    lines = [line for file in ("propose", "guidelines") for line in (PROMPTS / f"{file}.j2").read_text().splitlines()]
    marked = [line for line in lines if line.startswith(("1.", "2.", "3.", "- Models", "- Samples", "- Trade-offs"))]
    return [sentence for line in marked for sentence in line.replace("?", ".").split(". ") if len(sentence) > 12]


def test_no_prompt_tells_an_insight(name: str) -> None:
    chat = RecordingChat([BAD["over budget"][0], FIRST, SECOND], [ToolCall("1", "fit_scaling_curve", "{}")])
    two_batches(name, chat)
    told = "\n".join(chat.texts)
    assert len(insights()) > 12
    assert [sentence for sentence in insights() if sentence in told] == []
    for word in (
        "saturat",
        "scaling curve",
        "plateau",
        "small model",
        "large model",
        "best number",
        "nsight",
        "statistical model",
        "peak",
    ):
        assert word not in told
    assert "fit_scaling_curve" not in chat.offered


def test_every_prompt_says_what_may_be_chosen_and_what_it_costs(name: str) -> None:
    chat = RecordingChat([FIRST, SECOND])
    two_batches(name, chat)
    for text in chat.texts:
        for expected in ("Task: demo. Answer.", "906.0 base passes", "scored by EM", "70b: 70B parameters"):
            assert expected in text


def test_zero_shot_sees_no_score_no_guideline_and_no_function() -> None:
    chat = RecordingChat([FIRST, BAD["prose"][0], SECOND])
    search = two_batches("llm-zs", chat)
    assert search.guidelines == []
    assert chat.offered == set()
    assert str(search.trials[0].allocation) in chat.texts[-1]
    for text in chat.texts:
        for word in ("score 0", "#0", "guideline", "Nothing was tried", f"{search.trials[0].score:.3f}"):
            assert word not in text


def test_the_creator_writes_the_first_guideline_before_any_trial() -> None:
    chat = RecordingChat([FIRST, SECOND])
    search = two_batches("agenthpo", chat)
    assert "Nothing was tried yet." in chat.texts[0]
    assert "exactly" not in chat.texts[0]
    assert "[before the first batch] Raise s1." in chat.texts[1]
    assert search.trials[0].reason == "Raise s1."
    assert [guideline.batch for guideline in search.guidelines] == [0, 1]
    assert "#0 score" in chat.texts[-1]
    assert chat.offered == {"allocation_cost", "check_allocation", "query_history"}


def test_the_similar_tasks_trials_seed_the_first_guideline_alone() -> None:
    chat = RecordingChat([FIRST, SECOND])
    two_batches("mlcopilot", chat)
    best, other = "score 0.600; find: tiny x 5, solve: tiny x 1", "score 0.400; find: big x 2 (0.900), solve: tiny x 9"
    assert chat.texts[0].index(best) < chat.texts[0].index(other)
    assert all(best not in text for text in chat.texts[1:])
    assert "[before the first batch] Raise s1." in chat.texts[1]


@pytest.mark.parametrize("bad", BAD)
def test_unusable_proposals_go_back_with_the_reason(name: str, bad: str) -> None:
    text, reason = BAD[bad]
    if bad == "tried":
        text, reason = FIRST, "was tried in trial 0"
    chat = RecordingChat([FIRST, text, SECOND])
    search = two_batches(name, chat)
    assert any(reason in seen for seen in chat.texts)
    assert [trial.origin for trial in search.trials] == [name] * 4


def test_what_it_never_gives_is_drawn_at_random_not_planned(name: str) -> None:
    class Silent:
        name = "silent"

        def complete(self, messages: Any, *, max_tokens: int, schema: Any = None, tools: Any = ()) -> ChatAnswer:
            return ChatAnswer("")

    search = drive(search_with(name, Silent()), 12, batch=4)
    assert {trial.origin for trial in search.trials} == {RANDOM}
    assert len({trial.allocation for trial in search.trials}) == 12
    assert "no usable proposal" in search.trials[0].reason
    assert all(guideline.text == "The agent wrote no guideline." for guideline in search.guidelines)


def test_equal_transcripts_make_equal_decisions_without_a_call(name: str) -> None:
    heard: dict[int, Any] = {}

    def run(chat: RecordingChat, transcripts: Sequence[Any]) -> Search:
        search = search_with(name, chat)
        search.searcher.replay(transcripts)
        search.searcher.listen(heard.__setitem__)
        return drive(search, 6, batch=2)

    bad = BAD["prose"][0]
    first = run(RecordingChat([FIRST, bad, SECOND, bad, bad, bad], [ToolCall("1", "query_history", "{}")]), ())
    transcripts = list(heard.values())
    silent = RecordingChat([])
    again = run(silent, transcripts)
    assert decisions(again) == decisions(first)
    assert silent.texts == []


def exported(search: Search) -> dict[str, Any]:
    return {"config": {"task": "other"}, "trials": [trial_row(trial) for trial in search.trials]}


def test_an_exported_session_is_experience(tmp_path: Path) -> None:
    search = drive(Search(SPACE, None, "random", 1), 6, fail=lambda number: number == 2)
    file = tmp_path / "session.json"
    file.write_text(json.dumps(exported(search)))
    experience = read_experience(str(file))
    assert experience == read_experience(exported(search))
    assert experience.task == "other"
    assert len(experience.trials) == 5
    best = experience.trials[0]
    assert search.best is not None
    assert (best.score, best.stage_scores) == (search.best.score, score(search.best.allocation))
    held = {name: choice.model_dump(exclude_none=True) for name, choice in best.allocation.items()}
    assert held == search.best.allocation.to_dict()


@pytest.mark.parametrize(
    ("similar", "problem"),
    [
        (None, "needs the trials of a search on a similar task"),
        ([], "needs the trials"),
        ("no/such/file.json", "cannot read 'no/such/file.json': No such file"),
        (__file__, "is not JSON"),
        ({"trials": 3}, 'has no list "trials"'),
        ({"trials": [{"state": "failed"}]}, "holds no complete trial"),
        (
            {"trials": [{"state": "complete", "score": 1.0}]},
            r"similar\.0\.allocation: dictionary should have at least 1",
        ),
        ([{"allocation": {"a": stage("m", 0)}, "score": 1}], r"similar\.0\.allocation\.a\.samples: .*, got '0'"),
        ([{"allocation": {"a": stage("m", 1)}, "score": float("nan")}], r"similar\.0\.score"),
        ([{"allocation": {"a": stage("m", 1)}, "score": 1, "notes": ""}], r"similar\.0\.notes"),
        ("[" * 9000, "cannot read"),
        (7, "valid list"),
    ],
)
def test_unusable_experience_is_refused_in_one_line(similar: object, problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as caught:
        MlCopilotSearcher(PROBLEM, 0, similar=similar, model="m", base_url="http://localhost/v1")
    assert "\n" not in str(caught.value)


def test_a_session_stores_the_similar_trials_and_not_the_name_of_their_file(tmp_path: Path) -> None:
    path = tmp_path / "similar.json"
    row = {"state": "complete", "score": 0.5, "b.model": "m", "b.samples": 2, "a.model": "n", "a.samples": 1}
    printed = {"config": {"task": "other", "seed": 3}, "trials": [row], "transcripts": [{"answer": "long"}]}
    path.write_text(json.dumps(printed), encoding="utf-8")
    stored = MlCopilotSearcher.portable({"similar": str(path), "model": "m"})
    assert stored == {"similar": {"config": {"task": "other"}, "trials": [row]}, "model": "m"}
    assert read_experience(stored["similar"]) == read_experience(str(path))
    assert MlCopilotSearcher.portable(stored) == stored


def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(UnknownName, match="no_such_option"):
        search_with(name, RecordingChat([]), no_such_option=1)


class StubbornChat:
    """Answers nothing usable for every other batch, and the same two allocations otherwise."""

    name = "stubborn"

    def complete(self, messages: Any, *, max_tokens: int, schema: Any = None, tools: Any = ()) -> ChatAnswer:
        return ChatAnswer("" if tools else FIRST if schema else "Go on.")


class Conformance(SearcherConformance):
    trials = 12
    called: str

    @pytest.fixture
    def searcher(self) -> type[AgentSearcher]:
        return type("Offline", (CLASSES[self.called][0],), {"connect": lambda _: StubbornChat()})

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return dict(CLASSES[self.called][1])


class TestLlmZeroShot(Conformance):
    called = "llm-zs"


class TestAgentHpo(Conformance):
    called = "agenthpo"


class TestMlCopilot(Conformance):
    called = "mlcopilot"
