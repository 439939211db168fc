"""The planner without one of its insights, or without any, as Figure 4d of AgentTTS on 2WikiMultiHopQA.

python scripts/compare_ablation.py --seeds 30
python scripts/compare_ablation.py --tasks contrary-all
"""

from __future__ import annotations

from comparison_script import parser, run_script

from agent.comparison.plan import SearcherEntry

INSIGHTS = (1, 2, 3)


def main() -> None:
    """The command."""
    arguments = parser(__doc__, "compare-ablation", tasks=("simulated-2wiki",), seeds=30).parse_args()
    ablated = [SearcherEntry("planner", {"without": [n]}, f"planner without insight {n}") for n in INSIGHTS]
    bare = SearcherEntry("planner", {"without": list(INSIGHTS)}, "planner without any")
    run_script(arguments, arguments.tasks, [SearcherEntry("planner"), *ablated, bare])


if __name__ == "__main__":
    main()
