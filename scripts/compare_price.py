"""The searchers within a budget in dollars in place of FLOPs, which moves the optimum.

python scripts/compare_price.py --seeds 20
"""

from __future__ import annotations

from comparison_script import PAPER_TASKS, add_searchers, named, parser, run_script


def main() -> None:
    """The command."""
    options = parser(__doc__, "compare-price", tasks=PAPER_TASKS, seeds=20)
    add_searchers(options)
    arguments = options.parse_args()
    run_script(arguments, arguments.tasks, named(arguments.searchers), cost="price")


if __name__ == "__main__":
    main()
