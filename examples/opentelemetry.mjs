// Spans of OpenTelemetry for MI calls: a subscriber of the channels of mi-httpd.
//   npm install @opentelemetry/api @opentelemetry/sdk-trace-base
//   node examples/opentelemetry.mjs
//   curl -H 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' -H 'Content-Type: application/json' \
//        -d '{"jsonrpc":"2.0","method":"uptime","id":1}' http://127.0.0.1:8888/mi
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { pathToFileURL } from 'node:url';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { BasicTracerProvider, ConsoleSpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { createServer } from 'mi-httpd';

/** Makes a span for every call, within the trace that its request belongs to. Returns a function that ends it. */
export function traceCalls(tracer) {
  const spans = new WeakMap();
  const started = (message) => {
    const { call, module } = message;
    const { trace: caller, client } = call;
    const parent =
      caller === undefined
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, {
            traceId: caller.traceId,
            spanId: caller.parentId,
            traceFlags: caller.flags,
            isRemote: true,
          });
    const attributes = { 'rpc.system': 'jsonrpc', 'rpc.method': call.command, 'mi.module': module };
    if (client !== undefined) attributes['client.address'] = client.origin;
    spans.set(message, tracer.startSpan(call.command, { kind: SpanKind.SERVER, attributes }, parent));
  };
  const failed = (message) => {
    const { error } = message;
    const span = spans.get(message);
    if (error instanceof Error) span?.recordException(error);
    span?.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : 'failed' });
  };
  const ended = (message) => spans.get(message)?.end();
  const channels = [
    ['mi-httpd:call:start', started],
    ['mi-httpd:call:error', failed],
    ['mi-httpd:call:end', ended],
  ];
  for (const [name, told] of channels) subscribe(name, told);
  return () => {
    for (const [name, told] of channels) unsubscribe(name, told);
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new ConsoleSpanExporter())] });
  traceCalls(provider.getTracer('mi-httpd'));
  const server = await createServer({
    httpd: { ip: '127.0.0.1', port: Number(process.env.PORT ?? 8888) },
  }).start();
  console.log(`serving ${server.urls.join(' ')}`);
  process.once('SIGTERM', () => server.close());
  process.once('SIGINT', () => server.close());
}
