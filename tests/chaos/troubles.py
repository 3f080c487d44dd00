"""What happens to the processes and the servers: each leaves all of them running."""

import time
from collections.abc import Callable
from random import Random

from tests.chaos.house import SESSION, House

Trouble = Callable[[House, Random], None]


def kill_a_worker(house: House, dice: Random) -> None:
    """SIGKILL; it comes back under its name."""
    name = dice.choice(house.workers)
    house.kill(name)
    house.start(name)


def kill_both_workers(house: House, dice: Random) -> None:
    """Nobody reads for a while."""
    for name in house.workers:
        house.kill(name)
    time.sleep(dice.uniform(0, 1))
    for name in house.workers:
        house.start(name)


def kill_the_relay(house: House, dice: Random) -> None:
    """SIGKILL, twice in a row sometimes."""
    for _ in range(dice.randint(1, 2)):
        house.kill("relay")
        house.start("relay")
        time.sleep(dice.uniform(0, 1))


def kill_the_web(house: House, dice: Random) -> None:
    """SIGKILL, while requests are under way."""
    for _ in range(dice.randint(1, 2)):
        house.kill("web")
        house.start("web")
        time.sleep(dice.uniform(0, 1))


def freeze_a_worker(house: House, dice: Random) -> None:
    """SIGSTOP for longer than the session, so that another takes over; then it wakes with what it had in hand."""
    program = house.programs[dice.choice(house.workers)]
    program.freeze()
    time.sleep(SESSION + dice.uniform(1, 2))
    program.thaw()


def restart_the_broker(house: House, dice: Random) -> None:
    """In good order, or as by a crash."""
    switch = house.plant.kafka.switch
    dice.choice([switch.stop, switch.kill])()
    switch.start()


def restart_the_database(house: House, dice: Random) -> None:
    """In good order, or as by a crash."""
    switch = house.postgres.switch
    dice.choice([switch.stop, switch.kill])()
    time.sleep(dice.uniform(0, 1))
    switch.start()


def a_third_worker(house: House, dice: Random) -> None:
    """Comes, takes its share, and leaves or is killed."""
    name = "three"
    house.start(name)
    time.sleep(dice.uniform(2, 5))
    if dice.random() < 0.5:
        house.kill(name)
    else:
        house.stop(name)


TROUBLES: tuple[Trouble, ...] = (
    kill_a_worker, freeze_a_worker, restart_the_broker, restart_the_database,
    kill_the_relay, a_third_worker, kill_the_web, kill_both_workers,
)  # fmt: skip
