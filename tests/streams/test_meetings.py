"""Two workers get what bears on one decision at the same instant, again and again: the outcome is one worker's."""

import os

from tests.streams.plant import Plant
from tests.streams.races import closes, overlaps, registrations

MEETINGS = int(os.environ.get("CAREMONTH_TEST_MEETINGS", "50"))
"""How often; `make chaos` has a thousand."""


def test_overlapping_entries_of_two_sites_never_count(plant: Plant) -> None:
    overlaps(plant, MEETINGS)
    plant.reconciled()


def test_a_registration_misses_no_entry_on_another_partition(plant: Plant) -> None:
    registrations(plant, MEETINGS // 2)
    plant.reconciled()


def test_a_close_misses_no_entry_on_another_partition(plant: Plant) -> None:
    closes(plant, MEETINGS // 5)
    plant.reconciled()
