"""The words of ``ncs.report.numbers`` under the name that verbs have used so far."""

from ncs.report.numbers import FLAGS, SD_SENTENCE, Notes, number

__all__ = ["FLAGS", "SD_SENTENCE", "Notes", "number"]
