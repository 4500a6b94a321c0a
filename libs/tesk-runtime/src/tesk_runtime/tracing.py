"""Sends spans to a collector by OTLP, if the settings name one.

The packages of OpenTelemetry are an extra (``tracing``) that only this module needs.
"""

import random
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec

from tesk_model.spans import NoTracer, Span, Tracer, trace_id_of

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor

_TIMEOUT = 2.0  # seconds; a filer that has ended waits so long for its last span
_NANO = 1_000_000_000
_ANY_ID = random.SystemRandom()


class TracingSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Traces of tasks, for OpenTelemetry."""

    endpoint: Annotated[
        str,
        msgspec.Meta(
            description="Url of a collector that takes OTLP over HTTP, e.g. "
            "`http://collector:4318/v1/traces`. Empty: no traces. Needs the extra "
            "`tracing`, which images have."
        ),
    ] = ""


def open_tracer(service: str, settings: TracingSettings) -> Tracer:
    """Return what sends spans to the collector of the settings.

    Raises:
        ValueError: OpenTelemetry is not installed.
    """
    if not settings.endpoint:
        return NoTracer()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace.export import (  # noqa: PLC0415 - as above
            BatchSpanProcessor,
        )
    except ImportError as error:
        msg = "tracing.endpoint (TESK_TRACING_ENDPOINT): needs the extra `tracing`"
        raise ValueError(msg) from error
    # A collector that is away costs spans, and memory for a bounded number of them.
    exporter = OTLPSpanExporter(settings.endpoint, timeout=_TIMEOUT)
    return OtlpTracer(
        BatchSpanProcessor(exporter, max_queue_size=2048, schedule_delay_millis=1000),
        Resource.create({"service.name": f"tesk-{service}"}),
    )


class OtlpTracer:
    """See ``Tracer``."""

    def __init__(self, processor: "SpanProcessor", resource: "Resource") -> None:
        """Send by ``processor`` in the name of ``resource``."""
        self._processor = processor
        self._resource = resource

    def record(self, span: Span) -> None:
        """Give it to the processor, which sends it from a thread of its own."""
        from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 - an extra
        from opentelemetry.trace import (  # noqa: PLC0415 - as above
            SpanContext,
            Status,
            StatusCode,
            TraceFlags,
        )

        def context(span_id: int) -> SpanContext:
            return SpanContext(
                trace_id_of(span.task_id),
                span_id,
                is_remote=False,
                trace_flags=TraceFlags(TraceFlags.SAMPLED),
            )

        self._processor.on_end(
            ReadableSpan(
                span.name,
                context=context(span.id or _ANY_ID.getrandbits(64) or 1),
                parent=None if span.parent is None else context(span.parent),
                resource=self._resource,
                attributes={"tesk.task_id": span.task_id, **span.attributes},
                status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
                start_time=_nanoseconds(span.start),
                end_time=_nanoseconds(span.end),
            )
        )

    def close(self) -> None:
        """Send what is left; what cannot be sent is lost."""
        self._processor.force_flush(round(_TIMEOUT * 1000))


def _nanoseconds(time: datetime) -> int:
    return round(time.timestamp() * 1_000_000) * (_NANO // 1_000_000)
