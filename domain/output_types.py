"""What decisions say, one type of `data` a type of event (docs/contract.md §2, docs/outputs.md): the forms that are published.

Decisions are made as plain dictionaries; a test holds every one that is made against these.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from domain.alerts import ALERT
from domain.identifiers import MONTH, PARTY
from domain.progress import PROGRESS
from domain.roster import ROSTER
from domain.settlement import ADJUSTMENT, LINE_READY, LINE_WITHDRAWN, MONTH_CLOSED

Date = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]
Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Money = Annotated[str, Field(pattern=r"^-?[0-9]+\.[0-9]{2}$")]
Count = Annotated[int, Field(ge=0)]
Month = Annotated[str, Field(pattern=MONTH)]
Party = Annotated[str, Field(pattern=PARTY)]


class OfPatientMonth(TypedDict):
    tenant: str
    patient_id: Party
    month: Month


class Shown(TypedDict):
    """A line without its revision and evidence, as a month board shows it."""

    line_id: str
    code: str
    units: Count
    excess_units: Count
    status: Literal["ready", "held", "awaiting_close", "excluded", "closed"]
    unmet: list[str]
    date_of_service: Date
    site_id: Party
    seconds: Count | None
    unit_amount: Money | None
    amount: Money | None
    excluded_by: NotRequired[str]


class Line(OfPatientMonth, Shown):
    """A line, as it is listed too."""

    program: str
    practitioner_id: Party
    revision: Annotated[int, Field(ge=1)]
    rule_set: str
    evidence: list[str]
    base: NotRequired[str]
    days: NotRequired[Count]
    window_start: NotRequired[Date]
    window_end: NotRequired[Date]


class ByEvents(TypedDict):
    events: list[str]


class ByRules(TypedDict):
    rule_set: str


class Adjustment(Line):
    """The line as it is now payable, and the difference to what was closed and adjusted before."""

    units_delta: int
    amount_delta: Money | None
    cause: ByEvents | ByRules
    kind: Literal["underpayment", "overpayment"]
    group: str
    date_of_service_to: NotRequired[Date]


class MonthClosed(OfPatientMonth):
    """The lines that became final by one close, of one site or of all."""

    site_id: Party | None
    lines: list[Line]


class OfCode(OfPatientMonth):
    program: str
    practitioner_id: Party
    site_id: Party
    code: str


class ThresholdNear(OfCode):
    kind: Literal["threshold_near"]
    seconds_needed: Count
    unmet: list[str]


class ThresholdReached(OfCode):
    kind: Literal["threshold_reached"]
    status: Literal["ready", "held", "awaiting_close"]
    unmet: list[str]
    units: Count
    date_of_service: Date


class AdjustmentProposed(OfCode):
    kind: Literal["adjustment_proposed"]
    line_id: str
    units_delta: int
    amount_delta: Money | None


class TimeConflict(OfPatientMonth):
    kind: Literal["time_conflict"]
    performer_id: Party
    event: str
    start: Moment
    end: Moment


class CloseStands(TypedDict):
    kind: Literal["close_stands"]
    tenant: str
    month: Month
    event: str
    by: str


class Next(TypedDict):
    code: str
    seconds_needed: Count


class Program(TypedDict):
    program: str
    practitioner_id: Party
    track: str | None
    site_id: Party | None
    zone: str | None
    counted_seconds: Count
    excluded_seconds: dict[str, Count]
    next: Next | None
    unmet: list[str]
    lines: list[Shown]


class Progressed(OfPatientMonth):
    """What a month board shows of a patient-month."""

    programs: list[Program]


Stretch = TypedDict("Stretch", {"from": Moment | None, "until": Moment | None})
Enrolled = TypedDict("Enrolled", {"site_id": Party | None, "track": str | None, "from": Moment | None, "until": Moment | None})
Closed = TypedDict("Closed", {"reason": str, "from": Moment | None, "until": Moment | None})
Asked = TypedDict("Asked", {"from": Month, "track": str | None, "next": Next | None, "unmet": list[str]})


class Side(TypedDict):
    program: str
    practitioner_id: Party
    site_id: Party | None
    zone: str | None
    enrolled: list[Enrolled]
    consented: list[Stretch]
    active: list[Stretch]
    closed: list[Closed]
    months: list[Asked]


class Roster(TypedDict):
    """Who is in which program, with and without time."""

    tenant: str
    patient_id: Party
    programs: list[Side]


OUTPUT_TYPES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        LINE_READY: Line,
        LINE_WITHDRAWN: Line,
        ADJUSTMENT: Adjustment,
        MONTH_CLOSED: MonthClosed,
        ALERT: ThresholdNear | ThresholdReached | AdjustmentProposed | TimeConflict | CloseStands,
        PROGRESS: Progressed,
        ROSTER: Roster,
    }
)
