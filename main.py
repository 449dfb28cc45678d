"""Cloud Functions entry points, where functions-framework looks first."""

from worker.function import classify, score_message, score_upload
from worker.function_errors import answer_errors_briefly

__all__ = ["classify", "score_message", "score_upload"]

answer_errors_briefly()
