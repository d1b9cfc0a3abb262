// The official Go SDK as a sender: all three signals over gRPC and HTTP/protobuf. Reads its job as JSON on stdin.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

type job struct {
	Run       string   `json:"run"`
	GRPC      string   `json:"grpc"`
	HTTP      string   `json:"http"`
	Protocols []string `json:"protocols"`
	Cases     []tenant `json:"cases"`
	Values    []struct {
		Value any `json:"value"`
	} `json:"values"`
}

type tenant struct {
	Name     string            `json:"name"`
	Headers  map[string]string `json:"headers"`
	Resource map[string]string `json:"resource"`
	Count    int               `json:"count"`
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func text(value any) string {
	if number, ok := value.(float64); ok {
		return fmt.Sprintf("%.0f", number)
	}
	return fmt.Sprint(value)
}

func send(ctx context.Context, j job, protocol string, c tenant) error {
	var logs sdklog.Exporter
	var spans sdktrace.SpanExporter
	var metrics sdkmetric.Exporter
	if protocol == "grpc" {
		logs = must(otlploggrpc.New(ctx, otlploggrpc.WithEndpointURL(j.GRPC), otlploggrpc.WithHeaders(c.Headers)))
		spans = must(otlptrace.New(ctx, otlptracegrpc.NewClient(otlptracegrpc.WithEndpointURL(j.GRPC), otlptracegrpc.WithHeaders(c.Headers))))
		metrics = must(otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(j.GRPC), otlpmetricgrpc.WithHeaders(c.Headers)))
	} else {
		logs = must(otlploghttp.New(ctx, otlploghttp.WithEndpointURL(j.HTTP+"/v1/logs"), otlploghttp.WithHeaders(c.Headers)))
		spans = must(otlptrace.New(ctx, otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(j.HTTP+"/v1/traces"), otlptracehttp.WithHeaders(c.Headers))))
		metrics = must(otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(j.HTTP+"/v1/metrics"), otlpmetrichttp.WithHeaders(c.Headers)))
	}
	email := text(j.Values[0].Value)
	named := []attribute.KeyValue{
		attribute.String("service.name", "bed-"+j.Run), attribute.String("service.namespace", "bed"),
		attribute.String("service.instance.id", protocol+"-"+c.Name), attribute.String("deployment.owner", email),
	}
	for key, value := range c.Resource {
		named = append(named, attribute.String(key, value))
	}
	about := resource.NewSchemaless(named...)
	id := func(signal, mark string, n int) string {
		return fmt.Sprintf("%s.%s.%s.%s.%s%d", j.Run, protocol, signal, c.Name, mark, n)
	}
	value := func(n int) string { return text(j.Values[n%len(j.Values)].Value) }

	loggers := sdklog.NewLoggerProvider(sdklog.WithResource(about), sdklog.WithProcessor(sdklog.NewBatchProcessor(logs)))
	logger := loggers.Logger("bed.logs")
	for n := range c.Count {
		var record otellog.Record
		record.SetTimestamp(time.Now())
		record.SetEventName("bed.event")
		record.SetSeverity(otellog.SeverityInfo)
		record.SetBody(attribute.MapValue(attribute.String("said", value(n)), attribute.Slice("raw", attribute.ByteSliceValue([]byte(value(n))))))
		record.AddAttributes(attribute.String("bed.id", id("logs", "", n)), attribute.String("note", value(n)))
		logger.Emit(ctx, record)
	}
	if err := loggers.Shutdown(ctx); err != nil {
		log.Printf("%s %s logs: %v", protocol, c.Name, err)
	}

	tracers := sdktrace.NewTracerProvider(sdktrace.WithResource(about), sdktrace.WithBatcher(spans))
	tracer := tracers.Tracer("bed.spans")
	for n := range c.Count {
		_, span := tracer.Start(ctx, "GET /users/"+value(n), trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("bed.id", id("traces", "", n)), attribute.StringSlice("notes", []string{"x", value(n)})))
		span.AddEvent("looked up", trace.WithAttributes(attribute.String("event.note", value(n))))
		span.SetStatus(codes.Error, "failed for "+value(n))
		span.End()
	}
	if err := tracers.Shutdown(ctx); err != nil {
		log.Printf("%s %s traces: %v", protocol, c.Name, err)
	}

	meters := sdkmetric.NewMeterProvider(sdkmetric.WithResource(about), sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics, sdkmetric.WithInterval(time.Hour))))
	meter := meters.Meter("bed.metrics")
	orders := must(meter.Int64Counter("bed.orders", metric.WithUnit("{order}"), metric.WithDescription("Orders, ask "+email)))
	latency := must(meter.Float64Histogram("bed.latency", metric.WithUnit("s")))
	depth := must(meter.Int64Gauge("bed.depth", metric.WithUnit("By")))
	for n := range c.Count {
		note := attribute.String("note", value(n))
		orders.Add(ctx, int64(n+1), metric.WithAttributes(attribute.String("bed.id", id("metrics", "", n)), note))
		latency.Record(ctx, 0.01*float64(n), metric.WithAttributes(attribute.String("bed.id", id("metrics", "h", n)), note))
		depth.Record(ctx, int64(n), metric.WithAttributes(attribute.String("bed.id", id("metrics", "g", n)), note))
	}
	if err := meters.Shutdown(ctx); err != nil {
		log.Printf("%s %s metrics: %v", protocol, c.Name, err)
	}
	return nil
}

func main() {
	var j job
	if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
		log.Fatal(err)
	}
	for _, protocol := range j.Protocols {
		if strings.Contains(protocol, "+") {
			log.Fatalf("no such protocol here: %s", protocol)
		}
		for _, c := range j.Cases {
			if err := send(context.Background(), j, protocol, c); err != nil {
				log.Fatal(err)
			}
		}
	}
}
