"""Checks of the repository itself: sizes, words and docs. Run by `make check`, no part of the installed product."""
