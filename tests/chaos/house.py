"""The processes of one installation under trouble, by name."""

from tests.servers import Postgres
from tests.streams.plant import Plant, metric
from tests.streams.program import Program

SESSION = 4.0
"""Seconds of silence until others take over."""


class House:
    """Two workers, a relay and a web server, each started again where it is ended."""

    workers = ("one", "two")

    def __init__(self, plant: Plant, postgres: Postgres) -> None:
        self.plant, self.postgres = plant, postgres
        self.programs: dict[str, Program] = {}
        self.fenced = 0.0

    def open(self) -> None:
        """Start all."""
        for name in (*self.workers, "relay", "web"):
            self.start(name)

    def start(self, name: str) -> None:
        """Start one."""
        plant = self.plant
        if name == "relay":
            self.programs[name] = plant.relay()
        elif name == "web":
            self.programs[name] = plant.web()
        else:
            # Without a name of its own a worker that leaves says so; the two that stay have theirs.
            self.programs[name] = plant.worker(name, session=SESSION, instance=name in self.workers, waited=False)

    def kill(self, name: str) -> None:
        """End one at once."""
        self.programs[name].kill()

    def stop(self, name: str) -> None:
        """Ask one to end, which it does in good order."""
        self.plant.until(lambda: '"started"' in self.programs[name].said, f"{name} is started")
        code = self.programs[name].stop()
        if code:
            raise AssertionError(f"{name} ended with {code}:\n{self.programs[name].said[-4000:]}")

    def require_running(self) -> None:
        """Fail where one ended that was not told to: what it left may have been done by the others, and nobody would notice."""
        for program in self.programs.values():
            program.require_running()

    @property
    def web_port(self) -> int:
        """Where the web server listens now."""
        return self.programs["web"].port

    def fenced_by_now(self) -> float:
        """Batches that the running workers and relay were refused because another was ahead."""
        return sum(metric(self.programs[name], "caremonth_fenced_total") for name in (*self.workers, "relay"))
