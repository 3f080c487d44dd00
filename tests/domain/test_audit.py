"""What somebody changed by hand so that it is no row any more is told of, and stops nothing."""

import json
from typing import Any

import orjson
import pytest

from domain.audit import _differing
from domain.holding import Json, Sent
from domain.lines import READY
from domain.replay import Replay
from domain.settlement import LINE_READY, PatientMonth, Stored, event_id, line_id

ONE = PatientMonth("acme", "P-1", "2026-03")
KEY = ("CCM", "dr-lee", "99490", None)
JSON = Json(json.loads, orjson.dumps, str)


def kept(identifier: str, **fields: Any) -> Stored:
    """A line that is ready, without a row that is one."""
    return Stored(identifier, KEY, READY, 1, {})._replace(**fields)


def ready(number: int, identifier: str, **fields: Any) -> Sent:
    """A decision that a line is ready."""
    data = {
        "line_id": "l-1", "revision": 1, "tenant": "acme", "patient_id": "P-1", "month": "2026-03", "program": "CCM",
        "practitioner_id": "dr-lee", "code": "99490", **fields,
    }  # fmt: skip
    event = {
        "specversion": "1.0", "id": identifier, "source": "/caremonth", "type": LINE_READY, "tenant": "acme", "subject": "P-1",
        "time": "2026-03-02T00:00:00Z", "datacontenttype": "application/json", "data": data,
    }  # fmt: skip
    return Sent(number, identifier, LINE_READY, "acme", orjson.dumps(event))


def replayed(*sent: Sent) -> Replay:
    """A patient's decisions against one stored line."""
    replay = Replay("acme", "P-1", {"2026-03": {KEY: kept("l-1")}}, {}, (), JSON)
    replay.run(sent)
    return replay


@pytest.mark.parametrize("sites", [(), (None,)], ids=["open", "closed"])
def test_a_line_whose_revision_is_no_number_differs(sites: tuple[None, ...]) -> None:
    identifier = line_id(ONE, KEY)
    assert _differing(ONE, {KEY: kept(identifier, revision="one")}, [], sites, "rules") == {identifier}


def test_a_decision_with_the_id_of_an_earlier_one_is_wrong() -> None:
    identifier = event_id(LINE_READY, "l-1/1")
    assert replayed(ready(1, identifier)).wrong == []
    assert replayed(ready(1, identifier), ready(2, identifier)).wrong == [2]


def test_a_decision_whose_revision_is_no_number_tells_nothing_of_its_line() -> None:
    replay = replayed(ready(1, event_id(LINE_READY, "l-1/one"), revision="one"))
    assert replay.lines == {}
