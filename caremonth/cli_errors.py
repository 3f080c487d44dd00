"""What ends a command early."""


class RefusedError(Exception):
    """A request that cannot be met; the text says what, why, and what to do."""


class OutputClosedError(Exception):
    """Whoever read the output has stopped reading: nothing is left to do, and nothing to say."""
