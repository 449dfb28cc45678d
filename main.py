"""Cloud Functions entry points, where functions-framework looks first."""

from worker.function import classify, score_message, score_upload

__all__ = ["classify", "score_message", "score_upload"]
