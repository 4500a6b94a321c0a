"""TES over HTTP: the one place that knows JSON, Flask and pydantic."""
