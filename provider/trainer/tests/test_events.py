"""The journal: whole lines, rising numbers, across crashes."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from anneal_trainer.events import EventLog
from anneal_trainer.output import write_result


def numbers(path):
    return [json.loads(line)["seq"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_numbers_rise_by_one_across_restarts(tmp_path):
    path = tmp_path / "events.jsonl"
    for _ in range(3):
        log = EventLog(path)
        log.write("progress", step=1)
        log.warn("Grüße\n")
        log.close()
    assert numbers(path) == [1, 2, 3, 4, 5, 6]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(data=st.data())
def test_a_line_torn_anywhere_is_cut_off_and_numbering_goes_on(tmp_path, data):
    path = tmp_path / "events.jsonl"
    path.unlink(missing_ok=True)
    log = EventLog(path)
    for step in range(4):
        log.write("progress", step=step, text="ü\u2028")
    log.close()
    content = path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n")
    log = EventLog(path)
    log.write("done")
    log.close()
    lines = path.read_bytes().decode().split("\n")[:-1]
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, whole + 2))


def test_an_event_reaches_readers_at_once_and_is_never_invalid_json(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log.write("eval", loss=0.1)
    assert [event["loss"] for event in log.read()] == [0.1]
    with pytest.raises(ValueError, match="JSON"):
        log.write("eval", loss=float("nan"))
    log.close()
    assert numbers(tmp_path / "events.jsonl") == [1]


@given(text=st.text(st.characters(codec=None), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@example(text="te\ud83dxt")
def test_any_text_can_be_reported(tmp_path, text):
    path = tmp_path / "events.jsonl"
    path.unlink(missing_ok=True)
    log = EventLog(path)
    log.write("error", message=text)
    log.close()
    (line,) = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    assert json.loads(line)["message"] == text
    write_result(tmp_path / "result.json", {"message": text})
    written = (tmp_path / "result.json").read_bytes().decode("utf-8")
    assert json.loads(written)["message"] == text
