"""Two patients with pain management in each of two tenants, February closed, for plans of add-ons of 20 minutes."""

from ledger import Ledger, open_ledger
from tests.ledger.other_rules import addon_of_20_minutes, book, other_prices
from tests.ledger.replays import Event, feed, sums
from tests.scenario_steps import Tenant

STORY = [
    "ready for CPM with dr-lee",
    "ready for CPM with dr-lee, patient P2",
    *(f"time 2026-0{month}-02 10:00 for 65:00 by dr-lee for dr-lee in CPM" for month in (2, 3, 4)),
    "time 2026-03-03 10:00 for 65:00 by dr-lee for dr-lee in CPM, at south, patient P2",
    "close 2026-02 on 2026-03-02 12:00",
]
LATE = [f"time 2026-0{month}-20 10:00 for 15:00 by dr-lee for dr-lee in CPM" for month in (2, 3, 4)]
PRICES, TWENTY = book(other_prices), book(addon_of_20_minutes)


def filled(url: str) -> Ledger:
    """Two patients with pain management in each of two tenants; February is closed."""
    opened = open_ledger(url)
    for tenant in ("acme", "bolt"):
        feed(opened, Tenant(tenant).tell(STORY))
    return opened


def later(tenant: str, *steps: str) -> list[Event]:
    """The steps' own events, of another source."""
    story = Tenant(tenant)
    story.tell(steps)
    return [{**event, "source": "/later"} for event in story.events]


def addons(ledger: Ledger, tenant: str) -> dict[str, int]:
    """Units of G3003 by month of P1, closed ones and adjustments together."""
    return {key[2]: one.units for key, one in sums(ledger).items() if key[:2] == (tenant, "P1") and key[5] == "G3003"}
