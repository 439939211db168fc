"""How the number of search examples matters, as the robustness study of AgentTTS: 50, 75 and 100.

A simulated task's larger sets hold the smaller ones, and its surface stays the same.

python scripts/compare_search_set.py --seeds 20
"""

from __future__ import annotations

from comparison_script import add_searchers, named, parser, run_script

from agent.comparison.plan import TaskEntry

SIZES = (50, 75, 100)


def main() -> None:
    """The command."""
    options = parser(__doc__, "compare-search-set", tasks=("simulated-2wiki", "simulated-hotpot"), seeds=20)
    options.add_argument("--sizes", nargs="+", type=int, default=list(SIZES), help="default: %(default)s")
    add_searchers(options)
    arguments = options.parse_args()
    tasks = [
        TaskEntry(name, {"search_examples": size}, f"{name}, {size} examples")
        for name in arguments.tasks
        for size in arguments.sizes
    ]
    run_script(arguments, tasks, named(arguments.searchers))


if __name__ == "__main__":
    main()
