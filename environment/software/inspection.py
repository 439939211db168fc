"""What can be said of a program without running it."""

from __future__ import annotations

import ast
import re
import warnings

from environment.software.code_text import tree_of

PLACEHOLDER = re.compile(r"#.*\b(TODO|FIXME|your code here|implement(ed)? (this|here|later|me)|placeholder)\b", re.I)


def faults(code: str, entry: str = "") -> list[str]:
    """Faults that a reader is sure of: no syntax, no `entry`, bodies that do nothing."""
    if not code:
        return ["there is no program"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except SyntaxError as error:
        return [f"line {error.lineno}: {error.msg}"]
    except (ValueError, RecursionError, MemoryError):
        return ["the program cannot be read as Python"]
    found = []
    if entry and not any(isinstance(n, ast.FunctionDef) and n.name == entry for n in tree.body):
        found.append(f"there is no function {entry}")
    return found + [f"line {n.lineno}: {n.name} does nothing" for n in _functions(tree) if _is_empty(n)]


def completeness(code: str) -> float:
    """1 for a program without placeholders, else 0 (ChatDev, arXiv 2307.07924, section 4).

    Placeholders are bodies that do nothing and comments that put work off; no program is incomplete.
    """
    tree = tree_of(code) if code else None
    if tree is None or PLACEHOLDER.search(code):
        return 0.0
    return float(not any(_is_empty(function) for function in _functions(tree)))


def _functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function but abstract methods, which are meant to do nothing."""
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [function for function in functions if not any(_names_abstract(d) for d in function.decorator_list)]


def _names_abstract(decorator: ast.expr) -> bool:
    return (
        decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
    ) == "abstractmethod"


def _is_empty(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a body holds only a docstring, `pass` and `...`."""
    return all(
        isinstance(step, ast.Pass) or (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))
        for step in function.body
    )
