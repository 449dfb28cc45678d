"""Cloud Functions entry points, where functions-framework looks first."""

import worker.function
from worker.function import classify, score_message, score_upload

__all__ = ["classify", "score_message", "score_upload"]

# functions-framework runs this file in the context of the application that it is about to serve.
worker.function.protect_current_app()
