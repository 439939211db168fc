"""The searchers within low, medium and high budgets.

python scripts/compare_budgets.py --seeds 20
"""

from __future__ import annotations

from comparison_script import add_searchers, named, parser, run_script


def main() -> None:
    """The command."""
    tasks = ("simulated-2wiki", "simulated-cwq", "simulated-taskbench", "multihop-recorded")
    options = parser(__doc__, "compare-budgets", tasks=tasks, seeds=20)
    add_searchers(options)
    arguments = options.parse_args()
    run_script(arguments, arguments.tasks, named(arguments.searchers), budgets=["low", "medium", "high"])


if __name__ == "__main__":
    main()
