"""Records the session of a real language model that tests/agent/llm/test_transcript.py replays.

    python scripts/local_models.py serve qwen2.5-coder-1.5b --parallel 1 --context 12288
    python scripts/record_agent_transcript.py

To be run again when a prompt, the belief or the planner changes on purpose: the questions are then
others, and the answers to the old ones prove nothing. It takes some minutes on two cores. The file
holds what `agenttts show --json --transcripts` prints.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from agent.session import load_transcripts, run
from agenttts.cli.options import named_values
from agenttts.cli.summary import result_to_dict

FILE = Path(__file__).parents[1] / "tests" / "agent" / "llm" / "transcripts" / "multihop-recorded.json"
SETTINGS = ["functions=false", "context_tokens=8192", "max_tokens=700", "timeout=3600"]
"""The model calls no functions; on two busy cores a call can take long."""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agent-url", default="http://127.0.0.1:8080/v1", help="default: %(default)s")
    parser.add_argument("--agent-model", default="qwen2.5-coder-1.5b-instruct", help="default: %(default)s")
    parser.add_argument("--searcher-set", nargs="*", default=SETTINGS, help="default: %(default)s")
    parser.add_argument("--task", default="multihop-recorded", help="default: %(default)s")
    parser.add_argument("--trials", type=int, default=15, help="default: %(default)s")
    parser.add_argument("--batch", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=FILE, help="default: %(default)s")
    parser.add_argument(
        "--without-questions",
        action="store_true",
        help="leave the questions out: enough for agent_against_planner.py, not for a replay",
    )
    given = parser.parse_args()
    agent = {"model": given.agent_model, "base_url": given.agent_url}
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/session.db"
        result = run(
            given.task,
            searcher="llm",
            trials=given.trials,
            seed=given.seed,
            batch=given.batch,
            storage=storage,
            searcher_options=agent | named_values("--searcher-set", given.searcher_set),
        )
        document = result_to_dict(result, load_transcripts(result.session_id, storage))
    if given.without_questions:
        document["transcripts"] = [call | {"messages": []} for call in document["transcripts"]]
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{given.output}: {len(document['transcripts'])} calls, {result.agent.latency / 60:.1f} minutes")


if __name__ == "__main__":
    main()
