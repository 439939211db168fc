"""TaskBench's files in small: self-made tools and records in the formats of its releases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TOOLS: dict[str, Any] = {
    "nodes": [
        {
            "id": "find_museum",
            "desc": "Find a museum in a town",
            "parameters": [{"name": "town", "type": "string", "desc": "The town"}],
        },
        {
            "id": "buy_ticket",
            "desc": "Buy a ticket for a museum on a day",
            "parameters": [
                {"name": "museum", "type": "string", "desc": "The museum"},
                {"name": "day", "type": "date", "desc": "The day"},
            ],
        },
        {"id": "stop_alarm", "desc": "Stop the alarm that rings", "parameters": []},
    ]
}


def record(number: int) -> dict[str, Any]:
    """A record as TaskBench's repository describes it."""
    return {
        "id": f"{10000000 + number}",
        "seed": number,
        "type": "chain",
        "n_tools": 2,
        "user_request": f"Find a museum in Town {number} and get me a ticket for Friday.",
        "task_steps": [
            f"Step 1: Call find_museum with town: 'Town {number}'",
            "Step 2: Call buy_ticket with museum: 'find_museum' and day: 'Friday'",
        ],
        "task_nodes": [
            {"task": "find_museum", "arguments": [{"name": "town", "value": f"Town {number}"}]},
            {
                "task": "buy_ticket",
                "arguments": [{"name": "museum", "value": "find_museum"}, {"name": "day", "value": "Friday"}],
            },
        ],
        "task_links": [{"source": "find_museum", "target": "buy_ticket"}],
    }


def published(number: int) -> dict[str, Any]:
    """The same record as the data set was published later: other names, and JSON inside of texts."""
    old = record(number)
    return {
        "id": old["id"],
        "instruction": old["user_request"],
        "tool_steps": json.dumps(old["task_steps"]),
        "tool_nodes": json.dumps(old["task_nodes"]),
        "tool_links": json.dumps(old["task_links"]),
    }


def write(folder: Path, records: list[dict[str, Any]], *, lines: bool = True) -> tuple[Path, Path]:
    """The folder's data.json and tool_desc.json."""
    data, tools = folder / "data.json", folder / "tool_desc.json"
    data.write_text("".join(json.dumps(r) + "\n" for r in records) if lines else json.dumps(records))
    tools.write_text(json.dumps(TOOLS))
    return data, tools
