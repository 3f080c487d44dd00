"""An oracle for the property tests: the contract decided second by second, slowly, with nothing shared with the product."""

from tests.oracle.answer import Answer, decide

__all__ = ["Answer", "decide"]
