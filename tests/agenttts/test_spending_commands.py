"""What a search may cost, told and asked before it is sent; caps, faults and how to go on, as a person sees them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.agenttts.test_pipelines import Run, agenttts, document, live, server
from tests.environment.chat_server import ChatServer
from tests.environment.fault_proxy import FaultProxy
from tests.environment.loopback_server import in_a_thread

__all__ = ["agenttts", "server"]


class Terminal:
    """Standard input where a person sits and types."""

    def __init__(self, typed: str) -> None:
        self.typed = typed

    def isatty(self) -> bool:
        return True

    def readline(self, *_: object) -> str:
        return self.typed


def nothing_happened(server: ChatServer, folder: Path) -> bool:
    return not server.bodies and not list(folder.glob("*.db"))


def test_without_a_terminal_a_search_that_costs_money_needs_yes(
    agenttts: Run, tmp_path: Path, server: ChatServer
) -> None:
    live(tmp_path, server.base_url)
    for command in ("search", "pareto"):
        code, out, err = agenttts(command, "live.yaml")
        assert code == 2
        assert out == ""
        assert err.startswith("Error: --yes: is missing: this search costs money")
        assert len(err.splitlines()) == 1
    assert nothing_happened(server, tmp_path)
    assert agenttts("search", "live.yaml", "--yes", "--trials", "2")[0] == 0
    assert server.bodies


@pytest.mark.parametrize(("typed", "code"), [("n\n", 1), ("\n", 1), ("y\n", 0)])
def test_at_a_terminal_it_tells_and_asks(
    agenttts: Run, tmp_path: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    live(tmp_path, server.base_url)
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: typed.strip())
    left, _, err = agenttts("search", "live.yaml", "--trials", "2", "--max-dollars", "3")
    assert left == code
    for expected in ("First batch: about", "Whole search, at most", "$", "It ends at --max-dollars 3"):
        assert expected in err
    if code:
        assert "Nothing was sent or stored." in err
        assert nothing_happened(server, tmp_path)
    else:
        assert server.bodies


def test_a_free_search_asks_nothing(agenttts: Run, tmp_path: Path, server: ChatServer) -> None:
    file = live(tmp_path, server.base_url)
    text = file.read_text().replace(", prompt_price: 0.1, generation_price: 0.4", "")
    text = text.replace(", prompt_price: 1, generation_price: 4", "").replace("cost: price\nbudget: 0.0001\n", "")
    file.write_text(text)
    assert agenttts("search", "live.yaml", "--trials", "2")[0] == 0


def test_a_dry_run_tells_what_is_at_most_sent_and_sends_nothing(
    agenttts: Run, tmp_path: Path, server: ChatServer
) -> None:
    live(tmp_path, server.base_url)
    told = document(agenttts("search", "live.yaml", "--trials", "5", "--dry-run", "--json", "--max-tokens", "900"))
    assert told["priced"] == ["small", "large"]
    assert told["caps"] == {"max_tokens": 900}
    assert told["live"]
    first, whole = told["first_batch"], told["whole"]
    assert 0 < first["dollars"] <= whole["dollars"]
    assert nothing_happened(server, tmp_path)
    document(agenttts("search", "live.yaml", "--trials", "5", "--yes", "--json"))
    assert len(server.drawn) <= whole["generations"]
    code, out, _ = agenttts("search", "--dry-run")
    assert code == 0
    assert "sends nothing: it is recorded" in out


def test_a_cap_on_dollars_stops_the_search_and_says_how_to_go_on(
    agenttts: Run, tmp_path: Path, server: ChatServer
) -> None:
    live(tmp_path, server.base_url)
    limited = ("search", "live.yaml", "--yes", "--trials", "5", "--max-dollars", "0.0005")
    code, _, err = agenttts(*limited)
    assert code == 1
    last = err.splitlines()[-1]
    assert last.startswith("Stopped: --max-dollars 0.0005 leaves no room for the next request. Spent so far: ")
    assert "generations" in last
    shown = document(agenttts("show", "--json"))
    assert shown["state"] == "interrupted"
    assert shown["problem"] == last.removeprefix("Stopped: ")
    assert 0 < shown["spending"]["spent"]["dollars"] <= 0.0005
    assert shown["spending"]["spent"]["generations"] == len(server.drawn)
    assert "Ended early: --max-dollars 0.0005" in agenttts("show")[1]
    found = document(agenttts("resume", "--max-dollars", "5", "--json"))
    assert found["state"] == "complete"
    assert found["spending"]["caps"] == {"max_dollars": 5.0}
    assert found["spending"]["spent"]["generations"] == len(server.drawn)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-dollars", "0"), "--max-dollars: must be a number above zero"),
        (("--max-generations", "-1"), "--max-generations: must be a whole number"),
        (("--max-tokens", "0"), "--max-tokens: must be a whole number"),
        (("--deadline", "soon"), "--deadline: must be a duration such as 2h"),
        (("--deadline", "2026-01-01T00:00"), "--deadline: 2026-01-01T00:00 lacks its time zone"),
        (("--deadline", "2020-01-01T00:00Z"), "--deadline: 2020-01-01T00:00Z has passed"),
        (("--deadline", "0s"), "--deadline: must be above 0s"),
        (("--deadline", "9999999999999d"), "--deadline: must be above 0s and at most 3650d"),
        (("--max-dollars", "1"), "max_dollars: nothing that multihop-recorded sends has a price"),
    ],
)
def test_caps_that_are_none_are_one_line(
    agenttts: Run, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, _, err = agenttts("search", *arguments)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.glob("*.db"))


def test_a_dead_endpoint_leaves_a_failed_session_that_tells_what_happened_and_goes_on(
    agenttts: Run, tmp_path: Path, server: ChatServer
) -> None:
    with in_a_thread(FaultProxy(server.base_url, share=0.0)) as proxy:
        file = live(tmp_path, "here")
        file.write_text(f'endpoints: {{here: {{url: "{proxy.base_url}", max_attempts: 2}}}}\n' + file.read_text())
        proxy.down = True
        code, _, err = agenttts("search", "live.yaml", "--yes", "--trials", "3")
        assert code == 1
        assert "gave up after 2 attempts; the last one: status 503" in err
        shown = document(agenttts("show", "--json"))
        assert shown["state"] == "failed"
        assert "status 503" in shown["problem"]
        assert {fault["kind"] for fault in shown["faults"]} == {"server error"}
        assert sum(fault["count"] for fault in shown["faults"]) == proxy.injected["503"]
        told = " ".join(agenttts("show")[1].split())
        assert "What happened at the endpoints" in told
        assert "server error" in told
        assert "Ended early: " in told
        proxy.down = False
        found = document(agenttts("resume", "--json"))
        assert found["state"] == "complete"
        assert found["problem"] == ""
        assert sum(fault["count"] for fault in found["faults"]) == proxy.injected["503"]
        assert "What happened at the endpoints" in " ".join(agenttts("show")[1].split())
