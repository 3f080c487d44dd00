"""What ends a command early."""


class Refusal(Exception):
    """A request that cannot be met; the text says what, why, and what to do."""


class OutputClosed(Exception):
    """Whoever read the output has stopped reading: nothing is left to do, and nothing to say."""
