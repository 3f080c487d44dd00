"""The figures of the six families, as a plain table with citation keys (thresholds in seconds, docs/contract.md §3.8-§3.13)."""

from dataclasses import dataclass
from datetime import date

BILLING = frozenset({"physician", "np", "pa", "cns", "cnm"})
THERAPISTS = frozenset({"pt", "ot", "slp"})
STAFF = BILLING | {"rn", "lpn", "ma", "pharmacist", "csw"}

ROLES: dict[tuple[str, str | None], frozenset[str]] = {
    ("CPM", None): BILLING,
    ("CCM", "staff"): STAFF,
    ("CCM", "practitioner"): BILLING,
    ("CCM", "complex"): STAFF,
    ("PCM", "staff"): STAFF,
    ("PCM", "practitioner"): BILLING,
    ("RPM", None): STAFF,
    ("RTM", None): STAFF | THERAPISTS,
    ("BHI", None): STAFF | {"clinical_psychologist"},
}

VISIT_PROGRAMS = frozenset({"CCM", "PCM", "BHI"})
PLAN_PROGRAMS = frozenset({"CCM", "PCM"})
STAY_PROGRAMS = frozenset({"CCM", "PCM"})
CONTACT_PROGRAMS = frozenset({"RPM", "RTM"})
TRACK_PROGRAMS = frozenset({"CCM", "PCM"})


@dataclass(frozen=True)
class Tier:
    """A base code, the seconds that fill it, its add-on and the seconds of one add-on unit."""

    base: str
    threshold: int
    addon: str | None = None
    step: int = 0
    waits: bool = False


def minutes(count: int) -> int:
    """Minutes in seconds."""
    return count * 60


TIERS: dict[tuple[str, str | None], list[Tier]] = {
    ("CPM", None): [Tier("G3002", minutes(30), "G3003", minutes(15))],
    ("CCM", "staff"): [Tier("99490", minutes(20), "99439", minutes(20))],
    ("CCM", "practitioner"): [Tier("99491", minutes(30), "99437", minutes(30))],
    ("CCM", "complex"): [Tier("99487", minutes(60), "99489", minutes(30))],
    ("PCM", "staff"): [Tier("99426", minutes(30), "99427", minutes(30))],
    ("PCM", "practitioner"): [Tier("99424", minutes(30), "99425", minutes(30))],
    ("RPM", None): [Tier("99470", minutes(10), waits=True), Tier("99457", minutes(20), "99458", minutes(20))],
    ("RTM", None): [Tier("98979", minutes(10), waits=True), Tier("98980", minutes(20), "98981", minutes(20))],
    ("BHI", None): [Tier("99484", minutes(20))],
}

AT_MOST = {"99439": 2, "99437": 2, "99427": 2, "99425": 2}  # §3.9 and §3.10; CODAPEDIA for 99439

SET_UP = {"RPM": "99453", "RTM": "98975"}
FULL_WINDOW = {"physiologic": "99454", "respiratory": "98976", "musculoskeletal": "98977", "cbt": "98978"}
SHORT_WINDOW = {"physiologic": "99445", "respiratory": "98984", "musculoskeletal": "98985", "cbt": "98986"}
FULL_DAYS, SHORT_DAYS = 16, 2

FIRST_DAY = {
    "G3002": date(2023, 1, 1),  # ASRA
    "99490": date(2015, 1, 1),  # DOCSLIB-15
    "99487": date(2017, 1, 1),
    "99491": date(2019, 1, 1),
    "99424": date(2022, 1, 1),  # AAPC-PCM
    "99426": date(2022, 1, 1),  # AAPC-PCM
    "99453": date(2019, 1, 1),
    "99454": date(2019, 1, 1),
    "99457": date(2019, 1, 1),
    "99445": date(2026, 1, 1),  # RIMIDI
    "99470": date(2026, 1, 1),  # RIMIDI
    "98975": date(2022, 1, 1),  # RVU22
    "98976": date(2022, 1, 1),  # RVU22
    "98977": date(2022, 1, 1),  # RVU22
    "98978": date(2023, 1, 1),  # RVU23
    "98980": date(2022, 1, 1),  # RVU22
    "98979": date(2026, 1, 1),  # FORCE-26
    "98984": date(2026, 1, 1),  # AAPC-26
    "98985": date(2026, 1, 1),  # AAPC-26
    "98986": date(2026, 1, 1),  # AAPC-26
    "99484": date(2018, 1, 1),
}
TWO_DAYS_FROM = {"RPM": date(2026, 1, 1), "RTM": date(2026, 1, 1)}
NOT_TOGETHER = {frozenset({"RPM", "RTM"}): "patient", frozenset({"PCM", "CCM"}): "practitioner"}  # §3.14
GENERAL_SUPERVISION_FROM = "2023-01"  # SEED-C


def in_force(code: str, day: date) -> bool:
    """Whether a base or device code exists on a day; an add-on exists where its base does."""
    return FIRST_DAY[code] <= day


def tiers(program: str, track: str | None, day: date) -> list[Tier]:
    """The tiers in force on a day, lowest first."""
    return [tier for tier in TIERS[program, track] if in_force(tier.base, day)]
