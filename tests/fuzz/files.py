"""Files of every kind that agenttts reads: a good one, and what damage and malice make of it."""

from __future__ import annotations

import csv
import io
import json
import lzma
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from ruamel.yaml import YAML

from storage.log.chain import ChainWriter
from tests.environment.taskbench.files import TOOLS, record
from tests.fuzz.hostile import TEXTS, confined, damaged, json_value, mutated
from tests.fuzz.session import finished, log_lines
from tools.errors import AgentttsError

MODEL = ["--model", "m:1B@http://127.0.0.1:9/v1"]
HALF = ["--set", "search_examples=1"]


@dataclass(frozen=True)
class Kind:
    """A kind of file: its name, a good one's content, the command that reads it, and how its values are changed."""

    name: str
    good: Callable[[], Any]
    command: list[str]
    written: Callable[[Any], bytes]
    beside: Mapping[str, bytes]


def case(random: Random, kind: Kind, folder: Path) -> list[str]:
    """Writes a hostile file of a kind, and says which command is to read it."""
    for name, content in kind.beside.items():
        (folder / name).write_bytes(content)
    if random.random() < 0.6:
        content = kind.written(mutated(random, kind.good()))
        if random.random() < 0.1:
            content = damaged(random, content)
    else:
        content = damaged(random, kind.written(kind.good()))
    (folder / kind.name).write_bytes(content)
    return kind.command


def corpus(kind: Kind) -> list[bytes]:
    """Contents that break readers, whatever the kind."""
    good = kind.written(kind.good())
    return [
        b"",
        b"\n",
        b"\x00",
        b"\xff\xfe\xff",
        b"\xef\xbb\xbf",
        b"null",
        b"3",
        b'"a"',
        b"[]",
        b"{}",
        b"[[]]",
        b"[{}]",
        b"[null]",
        b"{" * 10_000,
        b"[" * 100_000,
        b"[" * 500 + b"]" * 500,
        b'{"a":' * 50_000,
        b"- " * 5_000,
        b"a: " * 100,
        b"NaN",
        b"1e999",
        b"9" * 5_000,
        b"[" + b"9" * 5_000 + b"]",
        b'{"a": 1, "a": 2}',
        b"\xed\xa0\x80",
        b'["\\ud800"]',
        good[: len(good) // 2],
        good + good,
        good + b"\x00",
        b"\x00" + good,
        b"\xef\xbb\xbf" + good,
        good.replace(b"\n", b"\r\n"),
        b"a: &a [*a]",
        b"&a [*a, *a]",
        BOMB,
        b"!!python/object/apply:os.system ['id']",
        b"--- 1\n--- 2\n",
        b"a,b\n1",
        b'"a',
        b"\t",
        b"%YAML 9.9\n---\na: 1",
        b"a: !!binary x",
        b"? [a]\n: 1",
        b"1: 2",
        b"~: 1",
        b"2001-01-01: 1",
        b"<<: 1",
    ]


BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 9)) for name in range(ord("b"), ord("k"))
)
"""Nine values, nine times each, nine times over."""


def _json(value: Any) -> bytes:
    return json.dumps(value).encode(errors="surrogatepass")


def _lines(value: Any) -> bytes:
    items = value if isinstance(value, list) else [value]
    return b"".join(_json(item) + b"\n" for item in items)


def _log(value: Any) -> bytes:
    """A log whose hashes are right, as somebody writes it who knows the format."""
    content = io.BytesIO()
    chain = ChainWriter(content.write)
    try:
        for line in value:
            chain.line(line["kind"], **{n: v for n, v in line.items() if n not in ("n", "kind", "prev", "hash")})
    except (TypeError, KeyError, ValueError, AttributeError, AgentttsError):
        return _lines(value)
    return content.getvalue()


def _xz(value: Any) -> bytes:
    return lzma.compress(_lines(value), preset=0)


def _yaml(value: Any) -> bytes:
    text = io.StringIO()
    try:
        YAML(typ="safe", pure=True).dump(value, text)
    except Exception:  # noqa: BLE001 - what YAML cannot write, JSON can, and YAML reads that too
        return _json(value)
    return text.getvalue().encode(errors="surrogatepass")


def _csv(value: Any) -> bytes:
    text = io.StringIO()
    rows = value if isinstance(value, list) else [value]
    writer = csv.writer(text)
    if rows and isinstance(rows[0], dict):
        writer.writerow(list(rows[0]))
    for row in rows:
        writer.writerow(list(row.values()) if isinstance(row, dict) else row if isinstance(row, list) else [row])
    return text.getvalue().encode(errors="surrogatepass")


def pipeline() -> dict[str, Any]:
    """A good pipeline file with nearly every field."""
    return {
        "version": 1,
        "name": "two-steps",
        "description": "d",
        "endpoints": {"local": {"url": "http://127.0.0.1:9/v1", "key_env": "MY_KEY", "concurrency": 2, "timeout": 5.0}},
        "models": [
            {"name": "small", "parameters": "0.5B", "endpoint": "local", "prompt_price": 0.1, "generation_price": 0.4},
            {
                "name": "large",
                "parameters": 7e9,
                "endpoint": "http://127.0.0.1:9/v1",
                "prompt_price": 1.0,
                "generation_price": 4.0,
                "layers": 3,
                "hidden_size": 8,
                "kv_size": 4,
            },
        ],
        "dataset": {"file": "data.jsonl", "search": 1, "held_out": 1, "shuffle": 3, "json_fields": []},
        "subtasks": [
            {
                "name": "plan",
                "prompt_tokens": 20,
                "generation_tokens": 5,
                "parser": {"json_path": "$.steps[*]", "all": True},
                "sampling": {"temperature": [0.2, 0.9], "max_tokens": 9, "top_p": 0.9, "stop": ["\n"]},
                "strategy": ["fusion", "majority"],
                "vote": {"name": "items", "at_most": 2},
                "prompt": "Plan: {{ example.question }}\n",
            },
            {
                "name": "answer",
                "models": ["large"],
                "prompt_tokens": 30,
                "generation_tokens": 3,
                "parser": {"regex": "a(b*)", "group": 1},
                "metric": {"name": "exact_match", "gold": "answer", "options": {}},
                "prompt": "--- system ---\nAnswer.\n--- user ---\n{{ example.question }} {{ upstream.plan }}\n",
                "fusion_prompt": "{{ responses }}",
            },
        ],
        "max_samples": 4,
        "budget": 0.001,
        "caps": {"flops": 100.0},
        "cost": {"name": "price", "examples": 1},
        "allocation": {
            "plan": {"model": "small", "samples": 1, "strategy": "fusion", "temperature": 0.2},
            "answer": {"model": "large", "samples": 1, "strategy": "fusion"},
        },
    }


ROWS = [{"id": "a", "question": "Is 5 < 6?", "answer": "yes"}, {"id": "b", "question": "6 < 5?", "answer": "no"}]
TRIPLES = [["a", "r", "b"], ["b", "s", "c"], ["a", "t", "d"]]


def _two_wiki() -> Any:
    one = {"question": "q", "answers": ["a"], "ctxs_candidate": ["x", "y", "z"], "ctxs_gt": ["x"]}
    return [one, {**one, "question": "p"}]


def _hotpot() -> Any:
    one = {
        "_id": "1",
        "question": "q",
        "answer": "a",
        "context": [["T", ["s", "t"]], ["U", ["v"]]],
        "supporting_facts": [["T", 0]],
    }
    return [one, {**one, "question": "p"}]


def _cwq() -> Any:
    one = {
        "ID": "1",
        "question": "q",
        "answer": ["b"],
        "2hop_triples": TRIPLES,
        "gt_triples": TRIPLES[:1],
        "crucial_triples": TRIPLES[:1],
    }
    return [one, {**one, "ID": "2"}]


def _webqsp() -> Any:
    one = {"id": "1", "question": "q", "answer": ["c"], "q_entity": ["a"], "a_entity": ["c"], "graph": TRIPLES}
    return [one, {**one, "id": "2"}]


def _answers() -> Any:
    parse = {
        "AnnotatorComment": {"QuestionQuality": "Good", "ParseQuality": "Complete"},
        "Answers": [{"AnswerType": "Entity", "AnswerArgument": "m.1", "EntityName": "c"}],
    }
    return {
        "Questions": [
            {"QuestionId": "1", "RawQuestion": "q", "Parses": [parse]},
            {"QuestionId": "2", "Parses": [parse]},
        ]
    }


def _recording() -> Any:
    card = {
        "format": 1,
        "name": "r",
        "search_examples": 1,
        "held_out_examples": 1,
        "samples": 2,
        "requests": 1,
        "models": ["smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"],
    }
    return [card, ["0" * 64, 12, [["text", 3, 0.5, "stop"], ["text", 3, 0.5, "length", -0.25]]]]


def _measured() -> Any:
    one = {
        "prompt_tokens": 100.0,
        "generation_tokens": 10.0,
        "per_request": 0.1,
        "per_prompt_token": 0.001,
        "per_token": 0.01,
        "per_step": 0.0,
        "requests": 10,
        "largest": 4,
    }
    models = ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct")
    return {stage: dict.fromkeys(models, one) for stage in ("retrieval", "qa")}


def _experience() -> Any:
    row = {"state": "complete", "score": 0.5, "qa.model": "m", "qa.samples": 2, "qa.score": 0.5}
    return {"config": {"task": "t"}, "trials": [row, row]}


def _task(name: str, *more: str) -> list[str]:
    return ["check", name, *HALF, *MODEL, *more]


KINDS = (
    Kind("pipeline.yaml", pipeline, ["check", "pipeline.yaml"], _yaml, {"data.jsonl": _lines(ROWS)}),
    Kind("data.jsonl", lambda: ROWS, ["check", "pipeline.yaml"], _lines, {"pipeline.yaml": _yaml(pipeline())}),
    Kind(
        "data.json",
        lambda: ROWS,
        ["check", "json.yaml"],
        _json,
        {"json.yaml": _yaml(pipeline()).replace(b"data.jsonl", b"data.json")},
    ),
    Kind(
        "data.csv",
        lambda: ROWS,
        ["check", "csv.yaml"],
        _csv,
        {"csv.yaml": _yaml(pipeline()).replace(b"data.jsonl", b"data.csv")},
    ),
    Kind("2wiki.json", _two_wiki, _task("2wiki", "--set", "path=2wiki.json", "--set", "candidates=3"), _json, {}),
    Kind("hotpot.json", _hotpot, _task("hotpotqa", "--set", "path=hotpot.json", "--set", "candidates=3"), _json, {}),
    Kind("cwq.json", _cwq, _task("cwq", "--set", "path=cwq.json", "--set", "candidates=3"), _json, {}),
    Kind("webqsp.jsonl", _webqsp, _task("webqsp", "--set", "path=webqsp.jsonl", "--set", "candidates=3"), _lines, {}),
    Kind(
        "answers.json",
        _answers,
        _task("webqsp", "--set", "path=questions.jsonl", "--set", "answers=answers.json"),
        _json,
        {"questions.jsonl": _lines(_webqsp())},
    ),
    Kind(
        "requests.json",
        lambda: [record(1), record(2)],
        _task("taskbench", "--set", "path=requests.json", "--set", "tools=known.json"),
        _json,
        {"known.json": _json(TOOLS)},
    ),
    Kind(
        "tools.json",
        lambda: TOOLS,
        _task("taskbench", "--set", "path=known.json", "--set", "tools=tools.json"),
        _json,
        {"known.json": _lines([record(1), record(2)])},
    ),
    Kind(
        "srdd.csv",
        lambda: [{"Name": "n", "Description": "d"}, {"Name": "m", "Description": "e"}],
        ["budget", "srdd", *HALF, *MODEL, "--set", "path=srdd.csv"],
        _csv,
        {},
    ),
    Kind("replayed.jsonl", log_lines, ["replay", "replayed.jsonl"], _log, {}),
    Kind("imported.jsonl", log_lines, ["import", "imported.jsonl", "--storage", "imported.db"], _log, {}),
    Kind("recorded.jsonl.xz", _recording, ["budget", "--set", "recording=recorded.jsonl.xz"], _xz, {}),
    Kind("measured.json", _measured, ["budget", "--cost", "latency", "--measured", "measured.json"], _json, {}),
    Kind(
        "similar.json",
        _experience,
        [
            "search",
            "simulated-2wiki",
            "--searcher",
            "mlcopilot",
            "--searcher-set",
            "similar=similar.json",
            "--agent-model",
            "m",
            "--agent-url",
            "ftp://refused-after-the-file-is-read",
        ],
        _json,
        {},
    ),
)


def database(random: Random, folder: Path) -> list[str]:
    """A damaged copy of a good database, or one whose rows somebody wrote, and a command that reads it."""
    path, content = folder / "hostile.db", finished()[0]
    for name in ("hostile.db", "hostile.db-wal", "hostile.db-shm", "hostile-checkpoints.db"):
        (folder / name).unlink(missing_ok=True)
    path.write_bytes(damaged(random, content) if random.random() < 0.4 else content)
    if path.read_bytes() == content:
        _tamper(random, path)
    command = random.choice(
        (
            ["show", "last", "--trials", "--guidelines", "--transcripts"],
            ["show", "last", "--json"],
            ["resume"],
            ["export", "--pipeline", "e.py"],
            ["measure", "--session", "last"],
            ["pareto", "--session", "last"],
            ["export", "last", "--output", "-"],
            ["report", "last", "--output", "hostile.html"],
            ["sessions"],
            ["doctor"],
        )
    )
    return [*command, "--storage", "hostile.db"]


def _tamper(random: Random, path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for _ in range(random.randrange(1, 3)):
            table = random.choice(tables)
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            column = random.choice(columns)
            held = database.execute(f"SELECT rowid, {column} FROM {table}").fetchall()  # noqa: S608 - of our own database
            if not held:
                continue
            rowid, value = random.choice(held)
            try:
                changed = json.dumps(mutated(random, json.loads(value)))
            except (TypeError, ValueError):
                changed = random.choice([*TEXTS, json.dumps(json_value(random)), None, 3, -1.5, b"\x00\xff"])
            with_nothing_lost = changed.encode(errors="replace").decode() if isinstance(changed, str) else changed
            try:
                database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (with_nothing_lost, rowid))  # noqa: S608
            except sqlite3.Error:
                continue


def named(random: Random, folder: Path) -> list[str]:
    """A file of one kind that is named where another is wanted, or a folder, or nothing."""
    name = random.choice([*(kind.name for kind in KINDS), ".", "no/such", "/dev/null", confined(random.choice(TEXTS))])
    option = random.choice(["--measured", "--storage", "path", "recording", "answers", "tools", "similar"])
    task = random.choice(
        ["2wiki", "hotpotqa", "cwq", "webqsp", "taskbench", "srdd", "multihop-recorded", "pipeline.yaml"]
    )
    if option.startswith("--"):
        return ["show", "--storage", name] if option == "--storage" else ["budget", "--cost", "latency", option, name]
    return ["budget", task, *MODEL, "--set", f"{option}={name}"]
