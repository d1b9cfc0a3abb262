"""A receiving OTLP end: gRPC and HTTP, official protobuf classes, keeps the raw bytes of what arrives."""

import gzip
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf.descriptor import FieldDescriptor
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

SERVICES = {
    "logs": ("opentelemetry.proto.collector.logs.v1.LogsService", logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse),
    "traces": ("opentelemetry.proto.collector.trace.v1.TraceService", traces.ExportTraceServiceRequest, traces.ExportTraceServiceResponse),
    "metrics": ("opentelemetry.proto.collector.metrics.v1.MetricsService", metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse),
}


class Request:
    """One request that arrived: its raw bytes and the headers it came with (lower case)."""

    __slots__ = ("signal", "protocol", "headers", "body")

    def __init__(self, signal, protocol, headers, body):
        self.signal, self.protocol, self.headers, self.body = signal, protocol, headers, body

    def decoded(self):
        return SERVICES[self.signal][1].FromString(self.body)


class Receiver:
    """Listens on two free loopback ports. `refuse`: answers that it is not available. `partial`: keeps log records, and says that it turned one away."""

    def __init__(self, on_request=None):
        self.requests, self.on_request, self.refuse, self.partial = [], on_request, False, False
        self.lock = threading.Lock()
        size = 64 << 20
        self.server = grpc.server(
            futures.ThreadPoolExecutor(8),
            options=[("grpc.max_receive_message_length", size), ("grpc.so_reuseport", 0)],
        )
        for signal, (service, _, response) in SERVICES.items():
            method = grpc.unary_unary_rpc_method_handler(
                lambda body, context, s=signal, r=response: self._grpc(s, body, context, r),
                request_deserializer=lambda raw: raw,
                response_serializer=lambda message: message.SerializeToString(),
            )
            self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": method}),))
        self.grpc_port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        self.web = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.web.daemon_threads = True
        self.http_port = self.web.server_address[1]
        threading.Thread(target=self.web.serve_forever, daemon=True).start()

    @property
    def grpc_url(self):
        return f"http://127.0.0.1:{self.grpc_port}"

    @property
    def http_url(self):
        return f"http://127.0.0.1:{self.http_port}"

    def _keep(self, request):
        if self.on_request:
            self.on_request(request)
        else:
            with self.lock:
                self.requests.append(request)

    def _grpc(self, signal, body, context, response):
        if self.refuse:
            context.abort(grpc.StatusCode.UNAVAILABLE, "come again")
        headers = {k: v for k, v in context.invocation_metadata() if isinstance(v, str)}
        self._keep(Request(signal, "grpc", headers, body))
        if self.partial and signal == "logs":
            return response(partial_success={"rejected_log_records": 1, "error_message": "too old"})
        return response()

    def _handler(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                signal = self.path.rsplit("/", 1)[-1]
                status = 200 if signal in SERVICES and self.headers.get("content-type", "").startswith("application/x-protobuf") else 400
                if receiver.refuse:
                    status = 503
                if status == 200:
                    receiver._keep(Request(signal, "http", {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler

    def stop(self):
        self.server.stop(None)
        self.web.shutdown()


def texts(message):
    """Every string and bytes field of a message, at any depth, and its integers as text."""
    for field, value in message.ListFields():
        values = value if field.is_repeated else (value,)
        for one in values:
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                yield from texts(one)
            elif field.type == FieldDescriptor.TYPE_STRING:
                yield one
            elif field.type == FieldDescriptor.TYPE_BYTES:
                yield one.decode("utf-8", "ignore")
            elif field.type in (FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_DOUBLE):
                yield f"{one:.0f}" if isinstance(one, float) else str(one)


def plain(value):
    """An AnyValue as a plain Python value."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(v) for v in value.array_value.values]
    if kind == "kvlist_value":
        return {kv.key: plain(kv.value) for kv in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


def attributes(owner):
    return {kv.key: plain(kv.value) for kv in owner.attributes}


def items(signal, message):
    """(resource attributes, item) for each log record, span or data point of a request."""
    groups = {"logs": "resource_logs", "traces": "resource_spans", "metrics": "resource_metrics"}[signal]
    for group in getattr(message, groups):
        resource = attributes(group.resource)
        scopes = {"logs": "scope_logs", "traces": "scope_spans", "metrics": "scope_metrics"}[signal]
        for scope in getattr(group, scopes):
            if signal == "logs":
                yield from ((resource, record) for record in scope.log_records)
            elif signal == "traces":
                yield from ((resource, span) for span in scope.spans)
            else:
                for metric in scope.metrics:
                    yield from ((resource, point) for point in getattr(metric, metric.WhichOneof("data")).data_points)
