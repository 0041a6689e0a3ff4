"""For the tests of pipelines: marks and measurements within their tolerances, and reference folders as tests.

``assert_marks_close`` and ``assert_measurements_close`` raise ``AssertionError`` with a table of what differs. pytest
finds ``plugin`` by itself; it collects reference folders. See ``docs/check.md``.
"""

from ncs.testing._assertions import assert_marks_close, assert_measurements_close

__all__ = ["assert_marks_close", "assert_measurements_close"]
