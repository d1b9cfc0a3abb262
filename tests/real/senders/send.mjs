// The official JavaScript SDK as a sender: all three signals over gRPC, HTTP/protobuf and HTTP/JSON. Reads its job as JSON on stdin.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

// The packages live in the tools folder, outside of the repository.
const require = createRequire(process.env.NODE_TOOLS + '/package.json');
const { SpanStatusCode, SpanKind, ROOT_CONTEXT } = require('@opentelemetry/api');
const { SeverityNumber } = require('@opentelemetry/api-logs');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs');
const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');
const { MeterProvider, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');
const { Metadata } = require('@grpc/grpc-js');

const PACKAGES = { grpc: 'grpc', http: 'proto', json: 'http' };
const EXPORTERS = { logs: 'OTLPLogExporter', trace: 'OTLPTraceExporter', metrics: 'OTLPMetricExporter' };

/** The exporter of a signal (logs, trace, metrics) for a protocol; a suffix +gzip compresses. */
function exporter(signal, protocol, job, headers) {
  const [base, gzip] = protocol.split('+');
  const Exporter = require(`@opentelemetry/exporter-${signal}-otlp-${PACKAGES[base]}`)[EXPORTERS[signal]];
  const compression = gzip ? 'gzip' : 'none';
  if (base === 'grpc') {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
    return new Exporter({ url: job.grpc, metadata, compression, timeoutMillis: 10000 });
  }
  const path = signal === 'trace' ? 'traces' : signal;
  return new Exporter({ url: `${job.http}/v1/${path}`, headers, compression, timeoutMillis: 10000 });
}

async function send(job, protocol, given) {
  const { headers, resource: extra, name, count } = given;
  const email = job.values[0].value;
  const resource = resourceFromAttributes({
    'service.name': `bed-${job.run}`, 'service.namespace': 'bed', 'service.instance.id': `${protocol}-${name}`,
    'deployment.owner': email, ...extra,
  });
  const id = (signal, n) => `${job.run}.${protocol}.${signal}.${name}.${n}`;
  const pick = (list, n) => list[n % list.length];

  const logs = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter: exporter('logs', protocol, job, headers) })] });
  const logger = logs.getLogger('bed.logs', '1.0');
  for (let n = 0; n < count; n++) {
    const value = pick(job.values, n).value;
    const key = pick(job.keys, n);
    const body = [`user asked: ${value}`, { deep: { list: ['fine', `${value}`] } }, ['a', value], Buffer.from(`${value}`)][n % 4];
    logger.emit({
      severityNumber: SeverityNumber.INFO, severityText: 'INFO', body, eventName: 'bed.event', context: ROOT_CONTEXT,
      attributes: { 'bed.id': id('logs', n), note: value, map: { inner: `${value}` }, [key.key]: key.value },
    });
  }
  await logs.shutdown();

  const spans = new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(exporter('trace', protocol, job, headers))] });
  const tracer = spans.getTracer('bed.spans', '1.0');
  for (let n = 0; n < count; n++) {
    const value = pick(job.values, n).value;
    const key = pick(job.keys, n);
    const far = { traceId: '1234567890abcdef1234567890abcdef', spanId: '1234567890abcdef', traceFlags: 1 };
    const span = tracer.startSpan(`GET /users/${value}`, {
      kind: SpanKind.SERVER, links: [{ context: far, attributes: { 'link.note': value } }],
      attributes: { 'bed.id': id('traces', n), note: value, [key.key]: key.value },
    }, ROOT_CONTEXT);
    span.addEvent('looked up', { 'event.note': value });
    span.setStatus({ code: SpanStatusCode.ERROR, message: `failed for ${value}` });
    span.end();
  }
  await spans.shutdown();

  const reader = new PeriodicExportingMetricReader({ exporter: exporter('metrics', protocol, job, headers), exportIntervalMillis: 3600000 });
  const meters = new MeterProvider({ resource, readers: [reader] });
  const meter = meters.getMeter('bed.metrics', '1.0');
  const counter = meter.createCounter('bed.orders', { unit: '{order}', description: `Orders, ask ${email}` });
  const latency = meter.createHistogram('bed.latency', { unit: 's' });
  const gauge = meter.createGauge('bed.depth', { unit: 'By' });
  for (let n = 0; n < count; n++) {
    const note = pick(job.values, n).value;
    counter.add(n + 1, { 'bed.id': id('metrics', n), note });
    latency.record(0.01 * n, { 'bed.id': id('metrics', `h${n}`), note });
    gauge.record(n, { 'bed.id': id('metrics', `g${n}`), note });
  }
  await meters.shutdown();
}

const job = JSON.parse(readFileSync(0, 'utf8'));
for (const protocol of job.protocols) for (const given of job.cases) await send(job, protocol, given).catch(e => console.error(`${protocol} ${given.name}: ${e.message}`));
