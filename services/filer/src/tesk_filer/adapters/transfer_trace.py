"""Records the trace of a transfer."""

from collections.abc import Mapping
from datetime import datetime

from tesk_model.names import Attempt
from tesk_model.spans import Span, attempt_span_id
from tesk_runtime.clock import SystemClock
from tesk_runtime.tracing import TracingSettings, open_tracer


def trace_transfer(
    settings: TracingSettings,
    attempt: Attempt,
    direction: str,
    *,
    began: datetime,
    failed: bool,
    counts: Mapping[str, int],
) -> None:
    """Send the span of a transfer that ends now."""
    tracer = open_tracer("filer", settings)
    tracer.record(
        Span(
            name=f"transfer {direction}",
            task_id=attempt.task_id,
            parent=attempt_span_id(attempt),
            start=began,
            end=SystemClock().now(),
            failed=failed,
            attributes=counts,
        )
    )
    tracer.close()
