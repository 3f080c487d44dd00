"""A worker or relay says how it is, by whether it gets on."""

import json
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from streams.metrics import Metrics
from streams.monitor import monitored
from streams.records import Place


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(stall_after=30)


@pytest.fixture
def at(metrics: Metrics) -> Iterator[str]:
    server = monitored(metrics, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def asked(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def health(at: str) -> tuple[int, str]:
    status, text = asked(f"{at}/healthz")
    return status, json.loads(text)["status"]


def test_it_is_well_once_it_got_on_and_ill_when_it_no_longer_does(metrics: Metrics, at: str) -> None:
    assert health(at) == (503, "starting")
    metrics.moved()
    assert health(at) == (200, "working")
    assert metrics.moved_at is not None
    metrics.moved_at -= 31
    assert health(at) == (503, "stalled")
    metrics.moved()
    assert health(at) == (200, "working")


def test_figures_are_beside_it(metrics: Metrics, at: str) -> None:
    metrics.sent.labels("outbox.decisions").set(7)
    status, text = asked(f"{at}/metrics")
    assert status == 200
    assert 'caremonth_outbox_sent{source="outbox.decisions"} 7.0' in text
    assert "caremonth_still_seconds -1.0" in text


def test_how_long_something_may_have_waited_grows_until_everything_was_sent(metrics: Metrics) -> None:
    assert metrics.registry.get_sample_value("caremonth_outbox_age_seconds") == 0  # a worker's, which sends nothing
    metrics.caught_up()
    assert metrics.caught_up_at is not None
    metrics.caught_up_at -= 100
    assert (metrics.registry.get_sample_value("caremonth_outbox_age_seconds") or 0) >= 100
    metrics.caught_up()
    assert (metrics.registry.get_sample_value("caremonth_outbox_age_seconds") or 0) < 100


def test_lag_is_told_of_the_partitions_that_are_this_workers_now(metrics: Metrics) -> None:
    here, there = Place("care.time-log", 0), Place("care.time-log", 1)
    metrics.lags({here: 5, there: 9}, {here: 12, there: 9})
    assert (lag(metrics, here), lag(metrics, there)) == (7, 0)
    metrics.lags({here: 12, there: 9}, {here: 12})
    assert (lag(metrics, here), lag(metrics, there)) == (0, None)


def lag(metrics: Metrics, place: Place) -> float | None:
    return metrics.registry.get_sample_value("caremonth_lag_records", {"topic": place.topic, "partition": str(place.partition)})


def test_there_is_nothing_else(at: str) -> None:
    assert asked(f"{at}/lines")[0] == 404
