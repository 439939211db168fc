"""Hostile values: what people, files and models hand in that nobody meant to take."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 3, True, False, 0.5, -0.0, 1.5, -1e-9, 1e-320, 1e308, 1.7976931348623157e308, float("nan"),
    float("inf"), float("-inf"), 2**31, 2**32, 2**53 + 1, 2**63, -(2**63) - 1, 10**30, 10**400, -(10**400), 1j,
)  # fmt: skip
TEXTS: tuple[str, ...] = (
    "", " ", "\n", "\t", "a", "None", "null", "nan", "NaN", "inf", "-Infinity", "1e999", "0x10", "1_000", "١٢", "½",
    "true", "-", "--", "=", "a=b", "=a", "a=", ":", "::", "a:b", "a:b:c", "@", "/", ".", "..", "./.", "no/such/file",
    "%", "%s", "%(x)s", "{", "}", "{}", "{x}", "{{ x }}", "{% for %}", "[", "]", "[]", "\\", "'", '"', "`", "$(id)",
    "[bold]x[/]", "[/]", "<script>alert(1)</script>", "\x1b[31m", "\x00", "\x7f", "\u202e", "\ud800", "\ufeff", "🙂",
    "e\u0301", "ß", "İ", "a\u200bb", "../../etc/passwd", "a" * 5_000, "é" * 300, "9" * 400, "9" * 5_000, "1" + "0" * 30,
    "'; DROP TABLE sessions; --", "http://", "http://[", "http://[::1", "http://x:99999/v1", "http://x:y/v1",
    "http://u:p@x/v1", "https://x/v1?key=1", "ftp://x/v1", "file:///etc/passwd", "javascript:alert(1)", "http://x y/v1",
    "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///no/such/x.db", "sqlite:///.", "sqlite:///x.db?mode=ro",
    "sqlite:///x.db?nope=1", "sqlite+nope:///x.db", "sqlite+pysqlcipher:///x.db", "sqlite+aiosqlite:///x.db",
    "postgresql://", "postgresql://u:p@127.0.0.1:1/x", "postgresql://127.0.0.1:x/y", "postgresql+nope://h/x",
    "postgresql+asyncpg://127.0.0.1:1/x", "postgresql://127.0.0.1:1/x?nope=1", "mysql://h/x", "oracle://", "://", "x://",
    "os:system", "json:loads", "json:nope", "nope:nope", "os.path:join", "no.py:x", "nope.yaml", ".yaml", "x.yml",
    "planner", "fusion", "handed-over:x", "last", "Infinity", "1;2", "1,2", "1-2", "[1,2", '{"a":1}', '{"a":', "[[[[",
    "[" * 3_000, '{"a":' * 3_000, "m:1B@http://127.0.0.1:9/v1", "m:0B@http://127.0.0.1:9/v1", "m:1e999B@http://x/v1",
    "m:.@http://x/v1", "m:1@http://x:0/v1", "m:1@http://@/v1", "flops=1", "price=nan", "price=inf", "latency=-1",
    "tokens=1e999", "search_examples=0", "search_examples=-1", "search_examples=1e9", "search_examples=true",
    "search_examples=1000000000000", "held_out_examples=1000000000000", "candidates=1000000000000", "draw=-1",
    "draw=10000000000000000000000", "seed=-1", "seed=1e3", "max_samples=1000000000000", "max_samples=[1]",
    'sample_counts=[0]', "sample_counts=3", 'strategies={"qa":"fusion"}', 'strategies={"qa":[1]}', "strategies=[[]]",
    'temperatures=[-1]', 'temperatures=["hot"]', 'temperatures=[1e999]', "models=1", "path=.", "path=no/such",
    "path=[1]", "recording=.", "recording=no/such", "recording=3", "strategy=[1]", "strategy=", "table={}",
    'table={"a":1}',
    'table={"a":{"b":{}}}', "base_parameters=0", "base_parameters=nan", "attention=maybe", "examples=0", "batch=-1",
    "model=x", "base_url=http://u:p@x/v1", "key_env=sk-12345", "max_tokens=0", "context_tokens=1", "history=0",
    "temperature=nan", "timeout=-1", "similar=no/such", "similar=[]", 'similar=[{"allocation":{},"score":1}]',
    "kernel=1", "self=1", "problem=1", "space=1", "name=1", "args=1", "kwargs=1", "options={}", "n_startup_trials=-1",
)  # fmt: skip


def deep(levels: int = 200) -> Any:
    """A list in a list in a list."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


DEEPEST = deep(100_000)


def values() -> list[Any]:
    """One of every kind; new ones at each call, since some can be changed."""
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    return [
        *NUMBERS, *TEXTS, None, b"bytes", [], [None], [1, "a"], (), {}, {"a": 1}, {1: 2}, {None: None}, set(), {1},
        deep(),
        DEEPEST, cyclic, object(), object, len, lambda: 1, lambda *a, **k: 1 / 0, Path("no/such"), Path("\x00"),
        range(3), iter([1]), [float("nan")], [["a"]] * 3, ["a", "a"], {"model": "a", "samples": 1}, Exception("x"),
    ]  # fmt: skip


def argument(random: Random) -> str:
    """A text that a shell can hand over; never a path out of the folder."""
    text = random.choice(TEXTS) if random.random() < 0.7 else noise(random)
    return confined(text)


def confined(text: str) -> str:
    """The text without what no shell can pass on and without a way out of the folder."""
    text = text.replace("\x00", "").replace("\ud800", "\udc80").replace("../", "")
    return "." + text if text.startswith(("/", "~")) else text


def noise(random: Random, most: int = 40) -> str:
    """Characters of every plane, and of the grammars that read them."""
    grammar = "{}[]()<>:=,;.'\"`\\-+*%$#@!?&|~^_ \n\t0123456789eExX"
    return "".join(
        random.choice(grammar) if random.random() < 0.6 else chr(random.choice((random.randrange(1, 0xD800), 0x1F642)))
        for _ in range(random.randrange(most))
    )


def mutated(random: Random, document: Any, most: int = 3) -> Any:
    """A copy of a JSON-like document with hostile values, missing, doubled or strange fields in places."""
    document = json.loads(json.dumps(document))
    for _ in range(random.randrange(1, most + 1)):
        places = list(_places(document))
        if not places:
            break
        owner, key = random.choice(places)
        kind = random.random()
        if kind < 0.6:
            owner[key] = json_value(random)
        elif kind < 0.75:
            del owner[key]
        elif isinstance(owner, dict):
            owner[random.choice(TEXTS)] = json_value(random)
        else:
            owner.append(json.loads(json.dumps(owner[key], default=str)))
    return document


def json_value(random: Random) -> Any:
    """A hostile value that JSON and YAML can write."""
    plain = [value for value in NUMBERS if not isinstance(value, complex) and abs(value) != 10**400]
    return random.choice(
        [*plain, *TEXTS, None, [], {}, [None], {"": 1}, [[1]], {"a": {"b": 1}}, deep(60), noise(random)]
    )


def damaged(random: Random, content: bytes) -> bytes:
    """The content cut off, with bits turned, parts doubled, lost or replaced."""
    kind = random.randrange(6)
    start = random.randrange(len(content) + 1)
    end = min(len(content), start + random.randrange(1, 64))
    if kind == 0:
        return content[:start]
    if kind == 1:
        return content[:start] + content[end:]
    if kind == 2:
        return content[:end] + content[start:]
    if kind == 3:
        return content[:start] + random.randbytes(end - start) + content[end:]
    if kind == 4:
        return content[:start] + random.choice(TEXTS).encode(errors="surrogatepass") + content[start:]
    changed = bytearray(content)
    for _ in range(random.randrange(1, 9)):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _places(node: Any) -> Any:
    """Every place of a document that can be changed, as its owner and key."""
    found = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    for key, value in found:
        yield node, key
        yield from _places(value)
