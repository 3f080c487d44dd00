"""The invariants of docs/invariants.md as functions that return what breaks them, so that they can be asked of broken programs too."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from random import Random

from tests.properties.pure import Span
from tests.properties.told import (
    ADJUSTMENT,
    CLOSED,
    PAYABLE,
    READY,
    WITHDRAWN,
    Ask,
    Event,
    PatientMonth,
    Row,
    Teller,
    Told,
    key_of,
    plain,
    plain_trees,
    told_differences,
)

TIME = "care.time.logged.v1"
CLOSE = "care.month.closed.v1"
FIGURES = ("units", "date_of_service", "site_id", "amount")


def kept_once(ask: Ask, history: Sequence[Event], batch: int) -> list[str]:
    """1: every event is accepted once, a repeat is a duplicate, and telling all of it twice says nothing new."""
    distinct = len({(event["tenant"], event["source"], event["id"]) for event in history})
    once, twice = ask(history, batch), ask([*history, *history], batch)
    return [
        f"{told.summary} of {fed} events with {distinct} identities"
        for told, fed in ((once, len(history)), (twice, 2 * len(history)))
        if told.summary != (distinct, fed - distinct, 0)
    ] + told_differences(once, twice)


def order_free(ask: Ask, history: Sequence[Event], seed: int) -> list[str]:
    """2: another order, some events again, other batches: the same lines and reasons."""
    dice = Random(seed)
    other = [*history, *dice.choices(history, k=dice.randint(0, 5))]
    dice.shuffle(other)
    return told_differences(ask(history), ask(other, dice.choice([1, 2, 3, 7, 20])))


def every_second_told(history: Iterable[Event], trees: dict[PatientMonth, Row]) -> list[str]:
    """3: over the months, the counted and the excluded seconds of an entry are the seconds it lasts; one row a reason."""
    shown: Counter[tuple[str, str]] = Counter()
    rows: Counter[tuple[PatientMonth, str, str | None]] = Counter()
    for key, tree in trees.items():
        for row in (row for program in tree["programs"] for row in program["counted"] + program["excluded"]):
            shown[key[0], row["event"]] += row["seconds"]
            rows[key, row["event"], row.get("reason")] += 1
    found = [f"{what} has {number} rows" for what, number in rows.items() if number > 1]
    for event in history:
        if event["type"] == TIME:
            name, lasts = f"{event['source']}|{event['id']}", second(event["data"]["end"]) - second(event["data"]["start"])
            if shown[event["tenant"], name] != lasts:
                found.append(f"{name} of {event['tenant']} lasts {lasts} s, {shown[event['tenant'], name]} s are told")
    return found


def second(text: str) -> int:
    """The whole second of an instant."""
    return int(datetime.fromisoformat(text).timestamp() // 1)


def seconds_once(spans: Iterable[Span]) -> list[str]:
    """4: no two counted spans of a patient share a second, nor two of a performer with different patients."""
    groups: dict[tuple[str, str, str], list[Span]] = defaultdict(list)
    for span in spans:
        groups["patient", span.tenant, span.patient].append(span)
        groups["performer", span.tenant, span.performer].append(span)
    return [
        f"{who}: {one} and {other} share seconds"
        for who, found in groups.items()
        for one, other in pairwise(sorted(found, key=lambda s: (s.start, s.end)))
        if other.start < one.end
    ]


def addons_have_bases(told: Told) -> list[str]:
    """5: beside each add-on stands its base, with its status, date and requirements; nor is an add-on left over after adjustments."""
    by_key = {key_of(line): line for line in told.lines}
    found = []
    for line in (line for line in told.lines if "base" in line):
        base = by_key.get((*key_of(line)[:5], line["base"], ""))
        if base is None:
            found.append(f"{key_of(line)} stands without {line['base']}")
        elif line["status"] != "closed" and [line[n] for n in _SHARED] != [base[n] for n in _SHARED]:
            found.append(f"{key_of(line)} differs from its base")
    totals = payable_totals(told)
    bases = {key_of(row): row["base"] for row in (*told.lines, *told.sent(ADJUSTMENT)) if "base" in row}
    return found + [
        f"{key} is paid without {base}"
        for key, base in bases.items()
        if totals.get(key, (0, 0))[0] > 0 and totals.get((*key[:5], base, ""), (0, 0))[0] <= 0
    ]


_SHARED = ("status", "date_of_service", "unmet", "site_id")


def payable_totals(told: Told) -> dict[tuple[str, ...], tuple[int, int]]:
    """Units and cents of each line: what is listed as payable, and all adjustments."""
    totals: Counter[tuple[tuple[str, ...], str]] = Counter()
    for line in told.lines:
        if line["status"] in PAYABLE:
            totals[key_of(line), "units"] += line["units"]
            totals[key_of(line), "cents"] += cents(line["amount"])
    for row in told.sent(ADJUSTMENT):
        totals[key_of(row), "units"] += row["units_delta"]
        totals[key_of(row), "cents"] += cents(row["amount_delta"])
    keys = {key for key, _ in totals}
    return {key: (totals[key, "units"], totals[key, "cents"]) for key in keys if totals[key, "units"] or totals[key, "cents"]}


def cents(text: str | None) -> int:
    """US cents of a decimal string."""
    return 0 if text is None else int(text.replace(".", ""))


def closes_add_up(ask: Ask, history: Sequence[Event], batch: int) -> list[str]:
    """6: a closed line stays as it was closed, and with its adjustments it is what is decided where nothing was closed.

    Where the amount decided is unknown, what was closed and proposed while it was known still stands.
    """
    told, unclosed = ask(history, batch), ask([event for event in history if event["type"] != CLOSE])
    have, want = payable_totals(told), payable_totals(unclosed)
    unknown = {key_of(line) for line in unclosed.lines if line["amount"] is None}
    compared = {key: slice(1) if key in unknown else slice(2) for key in have.keys() | want.keys()}
    return [*told.rewritten, *_as_announced(told)] + [
        f"{key}: {have.get(key, (0, 0))} units and cents closed and adjusted, {want.get(key, (0, 0))} decided"
        for key, some in sorted(compared.items())
        if have.get(key, (0, 0))[some] != want.get(key, (0, 0))[some]
    ]


def _as_announced(told: Told) -> Iterator[str]:
    announced = {row["line_id"]: row for data in told.sent(CLOSED) for row in data["lines"]}
    closed = {line["line_id"]: line for line in told.lines if line["status"] == "closed"}
    for name in sorted(announced.keys() | closed.keys()):
        one, other = announced.get(name), closed.get(name)
        if one is None or other is None or {**one, "tenant": other["tenant"]} != other:
            yield f"line {name} is not as its close announced it"


def replays(told: Told, seed: int) -> list[str]:
    """7: the outbox, with events delivered again but in order, replays to the figures of all ready and closed lines."""
    dice, seen, state = Random(seed), dict[str, Row](), dict[str, Row]()
    found = []
    for event in _again(told.events, dice):
        sent = {name: value for name, value in event.items() if name != "sequence"}
        if seen.setdefault(event["id"], sent) is not sent:
            found += [f"{event['id']} names two decisions"] if seen[event["id"]] != sent else []
            continue
        data = event["data"]
        if event["type"] == READY:
            state[data["line_id"]] = data
        elif event["type"] == WITHDRAWN:
            state.pop(data["line_id"], None)
        elif event["type"] == CLOSED:
            state |= {row["line_id"]: row for row in data["lines"]}
    want = {line["line_id"]: line for line in told.lines if line["status"] in {"ready", "closed"}}
    return found + [
        f"{_figures(state.get(name))} replayed, {_figures(want.get(name))} listed"
        for name in sorted(state.keys() | want.keys())
        if _figures(state.get(name)) != _figures(want.get(name))
    ]


def _again(events: Sequence[Row], dice: Random) -> Iterator[Row]:
    """The events in order, stretches of them delivered a second time."""
    for position, event in enumerate(events):
        yield event
        if dice.random() < 0.1:
            yield from events[max(0, position - 5) : position + 1]


def _figures(line: Row | None) -> Row | None:
    return None if line is None else {name: line[name] for name in ("code", *FIGURES)}


def isolated(ask: Ask, one: Sequence[Event], other: Sequence[Event], seed: int, batch: int) -> list[str]:
    """8: two tenants that use the same names, told together, come to what each comes to in a ledger of its own."""
    mixed = [*one, *other]
    Random(seed).shuffle(mixed)
    together, found = ask(mixed, batch), list[str]()
    for alone in (_alone(one), _alone(other)):
        for tenant in {key[0] for key in alone.trees} | {line["tenant"] for line in alone.lines}:
            lines = [line for line in plain(together.lines) if line["tenant"] == tenant]
            trees = {key: tree for key, tree in plain_trees(together).items() if key[0] == tenant}
            found += [] if lines == plain(alone.lines) else [f"the lines of {tenant} are others alone"]
            found += [] if trees == plain_trees(alone) else [f"the explanations of {tenant} are others alone"]
    return found


def _alone(history: Sequence[Event]) -> Told:
    with Teller() as ask:
        return ask(history)
