"""What may happen in care, one model a type of event (the table of docs/contract.md §1).

Models check the form of each field by itself; what one field says about another is in `event_checks`.
Instants are whole UTC seconds since 1970, dates are ordinals of `datetime.date.toordinal`, months stay `YYYY-MM`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from domain.identifiers import FREE_TEXT, ICD10, LINE, MONTH, NAME, NPI, PARTY, PLACE_OF_SERVICE, checked_npi, checked_zone
from domain.instants import parse_day, parse_instant, parse_month

INTEGER_LIMIT: Final = 2**63
"""Integers from here on, or below its negative, do not fit the 64 bits an event may use."""


def _whole(value: object) -> object:
    """Numbers are compared by value: 12.0 is the integer 12."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _supervision(value: object) -> object:
    """Null is the absent field here too, though the default is a word."""
    return "general" if value is None else value


Instant = Annotated[int, PlainValidator(parse_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Day = Annotated[int, PlainValidator(parse_day), WithJsonSchema({"type": "string", "format": "date"})]
Month = Annotated[str, AfterValidator(parse_month), WithJsonSchema({"type": "string", "pattern": MONTH})]
Name = Annotated[str, Field(pattern=NAME)]
Party = Annotated[str, Field(pattern=PARTY)]
Line = Annotated[str, Field(pattern=LINE)]
FreeText = Annotated[str, Field(pattern=FREE_TEXT)]
Count = Annotated[int, BeforeValidator(_whole), Field(ge=0, lt=INTEGER_LIMIT)]

Role = Literal[
    "physician", "np", "pa", "cns", "cnm",
    "pt", "ot", "slp",
    "rn", "lpn", "ma", "pharmacist", "csw", "clinical_psychologist", "chw",
    "other",
]  # fmt: skip


class Fact(BaseModel):
    """Data of an event: no field beside the named ones, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class SiteRegistered(Fact):
    """A version of a site; the place of service chooses between facility and non-facility amounts."""

    name: FreeText
    zone: Annotated[str, AfterValidator(checked_zone)]
    pos: Annotated[str, Field(pattern=PLACE_OF_SERVICE)]
    valid_from: Day | None = None


class PractitionerRegistered(Fact):
    """A version of a person who bills or performs."""

    role: Role
    npi: Annotated[str, AfterValidator(checked_npi), WithJsonSchema({"type": "string", "pattern": NPI})] | None = None
    employment: Literal["employee", "contractor", "leased"] | None = None
    valid_from: Day | None = None


class EnrollmentStarted(Fact):
    """`track` is None exactly where the program has no tracks."""

    program: str
    practitioner_id: Party
    site_id: Party
    at: Instant
    track: str | None = None


class EnrollmentEnded(Fact):
    program: str
    practitioner_id: Party
    at: Instant
    reason: FreeText


class ConsentGiven(Fact):
    program: str
    practitioner_id: Party
    at: Instant
    form: Literal["verbal", "written"]
    obtained_by: Line | None = None


class ConsentRevoked(Fact):
    program: str
    practitioner_id: Party
    at: Instant


class VisitCompleted(Fact):
    kind: Literal["cpm_initial", "em", "awv", "ippe", "other"]
    practitioner_id: Party
    site_id: Party
    start: Instant
    end: Instant
    modality: Literal["in_person", "video", "audio"]
    setting: Literal["clinical", "home", "inpatient", "emergency", "snf"]
    em_billed: bool


class TimeLogged(Fact):
    """Work of the performer, to be billed in the name of the practitioner."""

    program: str
    practitioner_id: Party
    performer_id: Party
    site_id: Party
    start: Instant
    end: Instant
    activity: FreeText
    interactive: bool
    source: Literal["timer", "manual", "inferred"]
    supervision: Annotated[
        Literal["general", "direct"], BeforeValidator(_supervision, json_schema_input_type=Literal["general", "direct"] | None)
    ] = "general"


class ConditionRecorded(Fact):
    """The code stays as written; it is compared in upper case and without its dot."""

    icd10: Annotated[str, Field(pattern=ICD10)]
    category: Literal["chronic_pain", "chronic", "high_risk", "behavioral", "acute"]
    at: Instant
    onset: Day | None = None
    expected_months: Count | None = None


class PlanRecorded(Fact):
    program: str
    practitioner_id: Party
    at: Instant


class MdmRecorded(Fact):
    """Level of medical decision making of a month."""

    practitioner_id: Party
    month: Month
    level: Literal["low", "moderate", "high"]


class DeviceSetUp(Fact):
    program: str
    kind: str
    practitioner_id: Party
    site_id: Party
    at: Instant


class DeviceReading(Fact):
    program: str
    kind: str
    at: Instant


class StayRecorded(Fact):
    """A stay without an end is still going on."""

    kind: Literal["inpatient", "snf", "observation", "hospice"]
    start: Instant
    end: Instant | None = None


class PatientDied(Fact):
    at: Instant


class MonthClosed(Fact):
    """A close without a site binds all sites of the tenant."""

    month: Month
    site_id: Party | None = None
    at: Instant
    by: FreeText


class EventRetracted(Fact):
    """`source` is never None once the event is validated: its default is the source of the retraction."""

    id: Name
    source: Name | None = None
    reason: FreeText


EVENT_TYPES: Final[Mapping[str, type[Fact]]] = MappingProxyType(
    {
        "care.site.registered.v1": SiteRegistered,
        "care.practitioner.registered.v1": PractitionerRegistered,
        "care.enrollment.started.v1": EnrollmentStarted,
        "care.enrollment.ended.v1": EnrollmentEnded,
        "care.consent.given.v1": ConsentGiven,
        "care.consent.revoked.v1": ConsentRevoked,
        "care.visit.completed.v1": VisitCompleted,
        "care.time.logged.v1": TimeLogged,
        "care.condition.recorded.v1": ConditionRecorded,
        "care.plan.recorded.v1": PlanRecorded,
        "care.mdm.recorded.v1": MdmRecorded,
        "care.device.set_up.v1": DeviceSetUp,
        "care.device.reading.v1": DeviceReading,
        "care.stay.recorded.v1": StayRecorded,
        "care.patient.died.v1": PatientDied,
        "care.month.closed.v1": MonthClosed,
        "care.event.retracted.v1": EventRetracted,
    }
)
