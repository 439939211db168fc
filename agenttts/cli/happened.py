"""What a session spent, why it ended early, and what went wrong at its endpoints."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from agent.session import Result
from storage.fault import FaultKind, FaultSum
from tools.spending import Spent


def happened_to_dict(result: Result) -> dict[str, Any]:
    """Plain values of the same."""
    faults = [{**asdict(fault), "lost_dollars": fault.lost.dollars} for fault in result.faults]
    for fault in faults:
        del fault["lost_picodollars"]
    return {"problem": result.problem, "spending": result.spending.to_dict(), "faults": faults}


def print_happened(console: Console, result: Result) -> None:
    """Nothing where all went well and nothing was paid."""
    if result.problem:
        console.print(f"Ended early: {result.problem}", soft_wrap=True)
    spending = result.spending
    caps = ", ".join(f"--{name.replace('_', '-')} {value}" for name, value in spending.caps.to_dict().items())
    if caps or (spending.spent != Spent() and not (result.recorded_from or result.simulated)):
        verb = "Read from the recording" if result.recorded_from else "Spent"
        console.print(f"{verb} in all runs: {spending.spent}" + (f"; caps: {caps}." if caps else "."))
    if spending.reserved != Spent():
        console.print(f"Beside that, requests under way or of a process that died may come to {spending.reserved}.")
    if result.faults:
        console.print(_table(result))


def _table(result: Result) -> Table:
    table = Table(title="What happened at the endpoints", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    for name in ("times", "retried", "waited", "lost at most"):
        table.add_column(name, justify="right")
    by_kind: dict[FaultKind, list[FaultSum]] = defaultdict(list)
    for fault in result.faults:
        by_kind[fault.kind].append(fault)
    for kind, faults in by_kind.items():
        times, retried = (sum(getattr(fault, name) for fault in faults) for name in ("count", "retried"))
        waited, lost = sum(fault.waited for fault in faults), sum((fault.lost for fault in faults), Spent())
        shown = [f"{times:,}", f"{retried:,}" if retried else "", f"{waited:,.1f} s" if waited else ""]
        table.add_row(str(kind), *shown, str(lost) if lost != Spent() else "")
    return table
