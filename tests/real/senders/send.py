"""The official Python SDK as a sender: all three signals over gRPC and HTTP/protobuf. Reads its job as JSON on stdin."""

import json
import sys
import time

import grpc
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags


def exporters(protocol, job, headers):
    """The three exporters of a protocol; `grpc+gzip` and `http+gzip` compress."""
    base, _, gzip = protocol.partition("+")
    if base == "grpc":
        common = {
            "endpoint": job["grpc"], "insecure": True, "headers": tuple(headers.items()), "timeout": 10,
            "compression": grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression,
        }
        return GrpcLogs(**common), GrpcSpans(**common), GrpcMetrics(**common)
    common = {"headers": headers, "timeout": 10, "compression": Compression.Gzip if gzip else Compression.NoCompression}
    return (
        HttpLogs(endpoint=job["http"] + "/v1/logs", **common),
        HttpSpans(endpoint=job["http"] + "/v1/traces", **common),
        HttpMetrics(endpoint=job["http"] + "/v1/metrics", **common),
    )


def send(job, protocol, case):
    log_exporter, span_exporter, metric_exporter = exporters(protocol, job, case["headers"])
    values, keys = job["values"], job["keys"]
    email = values[0]["value"]
    # Personal data on resource and scope, too.
    resource = Resource({
        "service.name": f"bed-{job['run']}", "service.namespace": "bed", "service.instance.id": f"{protocol}-{case['name']}",
        "deployment.owner": email, **case["resource"],
    })
    prefix = f"{job['run']}.{protocol}"

    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(log_exporter))
    logger = logs.get_logger("bed.logs", "1.0", attributes={"scope.owner": email})
    for n in range(case["count"]):
        value, key = values[n % len(values)]["value"], keys[n % len(keys)]
        body = [f"user asked: {value}", {"deep": {"list": ["fine", str(value)]}}, ["a", value], str(value).encode()][n % 4]
        logger.emit(
            timestamp=time.time_ns(), severity_number=SeverityNumber.INFO, severity_text="INFO", body=body, event_name="bed.event",
            attributes={"bed.id": f"{prefix}.logs.{case['name']}.{n}", "note": value, "many": ["x", str(value)], key["key"]: key["value"]},
        )
    logs.shutdown()

    spans = TracerProvider(resource=resource)
    spans.add_span_processor(BatchSpanProcessor(span_exporter))
    tracer = spans.get_tracer("bed.spans", "1.0", attributes={"scope.owner": email})
    far = SpanContext(0x1234567890ABCDEF1234567890ABCDEF, 0x1234567890ABCDEF, False, TraceFlags(1))
    for n in range(case["count"]):
        value, key = values[n % len(values)]["value"], keys[n % len(keys)]
        context = None
        if "parent" in case:
            trace_id, span_id = (int(x, 16) for x in case["parent"])
            context = trace.set_span_in_context(trace.NonRecordingSpan(SpanContext(trace_id, span_id, True, TraceFlags(1))))
        span = tracer.start_span(
            f"GET /users/{value}", context=context, links=[Link(far, {"link.note": value})], kind=trace.SpanKind.SERVER,
            attributes={"bed.id": f"{prefix}.traces.{case['name']}.{n}", "note": value, key["key"]: key["value"]},
        )
        span.add_event("looked up", {"event.note": value})
        span.set_status(Status(StatusCode.ERROR, f"failed for {value}"))
        span.end()
    spans.shutdown()

    meters = MeterProvider(resource=resource, metric_readers=[PeriodicExportingMetricReader(metric_exporter, export_interval_millis=3_600_000)])
    meter = meters.get_meter("bed.metrics", "1.0", attributes={"scope.owner": email})
    counter = meter.create_counter("bed.orders", unit="{order}", description=f"Orders, ask {email}")
    latency = meter.create_histogram("bed.latency", unit="s", description="Latency")
    gauge = meter.create_gauge("bed.depth", unit="By", description="Depth")
    for n in range(case["count"]):
        value = values[n % len(values)]["value"]
        common = {"note": value}
        counter.add(n + 1, {"bed.id": f"{prefix}.metrics.{case['name']}.{n}", **common})
        latency.record(0.01 * n, {"bed.id": f"{prefix}.metrics.{case['name']}.h{n}", **common})
        gauge.set(n, {"bed.id": f"{prefix}.metrics.{case['name']}.g{n}", **common})
    meters.shutdown()


def main():
    job = json.load(sys.stdin)
    for protocol in job["protocols"]:
        for case in job["cases"]:
            send(job, protocol, case)


main()
