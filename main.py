"""Cloud Functions entry points, where functions-framework looks first."""
