// The channels of node:diagnostics_channel, and traces of other programs that calls belong to.
import { AsyncLocalStorage } from 'node:async_hooks';
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { trace as api, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { describe, expect, vi } from 'vitest';
import {
  type Call,
  type CallMessage,
  command,
  defineModule,
  type Log,
  MiError,
  type TraceContext,
} from '#src/index.js';
import { traceCalls } from '../../examples/opentelemetry.mjs';
import { temporaryFile } from '../support/accounts.js';
import type { Lifetime } from '../support/lifetime.js';
import { silentLog } from '../support/log.js';
import { call, callError, post, startServer, withResolvers } from '../support/mi-client.js';
import { test } from '../support/test.js';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${parentId}-01`;

let seen: TraceContext | undefined;
const stuck = withResolvers<string>();
const store = new AsyncLocalStorage<string>();

const lab = defineModule({
  name: 'lab',
  commands: [
    command({ name: 'plain', help: 'Gives 1.', withoutCall: true, run: () => 1 }),
    command({
      name: 'look',
      help: 'Looks at its trace.',
      run: (_parameters, running: Call) => {
        seen = running.trace;
        running.log.info({}, 'looked');
        return store.getStore() ?? 'none';
      },
    }),
    command({
      name: 'later',
      help: 'Answers later.',
      run: async () => {
        await Promise.resolve();
        return store.getStore() ?? 'late';
      },
    }),
    command({
      name: 'fail',
      help: 'Fails.',
      run: () => {
        throw new TypeError('broken');
      },
    }),
    command({
      name: 'refuse',
      help: 'Refuses later.',
      run: async () => {
        await Promise.resolve();
        throw new MiError(404, 'not there');
      },
    }),
    command({ name: 'take', help: 'Takes a number.', recipes: [{ n: 'int' }], run: ({ n }) => n }),
    command({ name: 'stuck', help: 'Never answers.', run: () => stuck.promise }),
  ],
});

const body = (method: string, params?: unknown): string => JSON.stringify({ jsonrpc: '2.0', method, params, id: 1 });

/** Notes what the channels tell, until the test ends. */
function watch(t: Lifetime): string[] {
  const told: string[] = [];
  const known = new WeakMap<object, string>();
  for (const name of ['start', 'error', 'end']) {
    const note = (message: unknown): void => {
      const { call: running, error, module } = message as CallMessage;
      expect(running.command.startsWith(`${module}:`)).toBe(true);
      if (name === 'start') known.set(message as object, running.id);
      else expect(known.get(message as object)).toBe(running.id);
      told.push(`${name} ${running.command}${error === undefined ? '' : ` ${(error as Error).message}`}`);
    };
    subscribe(`mi-httpd:call:${name}`, note);
    t.onTestFinished(() => void unsubscribe(`mi-httpd:call:${name}`, note));
  }
  return told;
}

describe('channels', () => {
  test('tell of the start and the end of calls, and of errors, by every face', async ({ lifetime }) => {
    const told = watch(lifetime);
    const server = await startServer(lifetime, { modules: [lab], mi_json: {}, log: silentLog });
    await call(server, 'lab:plain');
    await call(server, 'lab:later');
    await callError(server, 'lab:fail');
    await callError(server, 'lab:refuse');
    await server.call('lab:look');
    await post(server, `[${body('lab:plain')},${body('lab:later')}]`);
    await post(server, '', { method: 'GET', path: '/json/lab:take?params=7' });
    // Nothing is run.
    await callError(server, 'lab:take', ['x']);
    await callError(server, 'lab:no_such');
    expect(told).toStrictEqual([
      'start lab:plain',
      'end lab:plain',
      'start lab:later',
      'end lab:later',
      'start lab:fail',
      'error lab:fail broken',
      'end lab:fail broken',
      'start lab:refuse',
      'error lab:refuse not there',
      'end lab:refuse not there',
      'start lab:look',
      'end lab:look',
      'start lab:plain',
      'end lab:plain',
      'start lab:later',
      'end lab:later',
      'start lab:take',
      'end lab:take',
    ]);
  });

  test('tell the end of a dump when it has been sent, and of a call that is given up', async ({ lifetime }) => {
    const told = watch(lifetime);
    const server = await startServer(lifetime, { modules: [lab], usrloc: {}, mi_http: { mi_timeout: 1 } });
    await call(server, 'ul_dump');
    expect((await post(server, body('lab:stuck'))).status).toBe(504);
    expect(told).toStrictEqual([
      'start usrloc:dump',
      'end usrloc:dump',
      'start lab:stuck',
      expect.stringMatching(/^error lab:stuck lab:stuck gave no result within 1 s/),
      expect.stringMatching(/^end lab:stuck/),
    ]);
  });

  test('hold stores that are bound to the start while a command runs, and no longer', async ({ lifetime }) => {
    const start = channel('mi-httpd:call:start');
    start.bindStore(store, (message) => (message as CallMessage).call.command);
    lifetime.onTestFinished(() => void start.unbindStore(store));
    const server = await startServer(lifetime, { modules: [lab] });
    expect(await call(server, 'lab:look')).toBe('lab:look');
    expect(await call(server, 'lab:later')).toBe('lab:later');
    expect(store.getStore()).toBeUndefined();
  });

  test('a subscriber that throws spoils no call', async ({ lifetime }) => {
    const thrown: unknown[] = [];
    const caught = (error: unknown): void => void thrown.push(error);
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', caught);
    lifetime.onTestFinished(() => {
      process.removeListener('uncaughtException', caught);
      for (const listener of before) process.on('uncaughtException', listener);
    });
    const bad = (): never => {
      throw new Error('a bad subscriber');
    };
    subscribe('mi-httpd:call:start', bad);
    lifetime.onTestFinished(() => void unsubscribe('mi-httpd:call:start', bad));
    const server = await startServer(lifetime, { modules: [lab] });
    expect(await call(server, 'lab:plain')).toBe(1);
    await vi.waitUntil(() => thrown.length === 1);
  });
});

describe('traceparent', () => {
  const traced = async (lifetime: Lifetime, headers: Readonly<Record<string, string>>) => {
    const server = await startServer(lifetime, { modules: [lab] });
    seen = undefined;
    expect((await post(server, body('lab:look'), { headers })).status).toBe(200);
    return seen as TraceContext | undefined;
  };

  test('is told to the command, with tracestate', async ({ lifetime }) => {
    const tracestate = 'congo=t61rcWkgMzE,rojo@vendor=00f067aa0ba902b7';
    const context = await traced(lifetime, { traceparent, tracestate });
    expect(context).toStrictEqual({ traceId, parentId, flags: 1, isSampled: true, state: tracestate });
    expect(Object.isFrozen(context)).toBe(true);
  });

  for (const [what, header, wanted] of [
    ['not sampled', `00-${traceId}-${parentId}-02`, { flags: 2, isSampled: false }],
    ['of a later version', `cc-${traceId}-${parentId}-01-what-else`, { traceId, isSampled: true }],
    ['of a later version, as long', `cc-${traceId}-${parentId}-01`, { traceId }],
    ['of version ff', `ff-${traceId}-${parentId}-01`, undefined],
    ['with more in version 00', `${traceparent}-x`, undefined],
    ['with more without a dash', `cc-${traceId}-${parentId}-01x`, undefined],
    ['in upper case', `00-${traceId.toUpperCase()}-${parentId}-01`, undefined],
    ['of zeros', `00-${'0'.repeat(32)}-${parentId}-01`, undefined],
    ['of a parent of zeros', `00-${traceId}-${'0'.repeat(16)}-01`, undefined],
    ['with other dashes', traceparent.replaceAll('-', '_'), undefined],
    ['too short', traceparent.slice(1), undefined],
    ['of other characters', `00-${'g'.repeat(32)}-${parentId}-01`, undefined],
    ['long', `${'0'.repeat(8000)}`, undefined],
    ['empty', '', undefined],
  ] as const) {
    test(`${what} is ${wanted === undefined ? 'passed over' : 'taken'}`, async ({ lifetime }) => {
      const context = await traced(lifetime, header === '' ? {} : { traceparent: header });
      if (wanted === undefined) expect(context).toBeUndefined();
      else expect(context).toMatchObject(wanted);
    });
  }

  for (const [what, state] of [
    ['without a value', 'congo'],
    ['with an empty key', '=1'],
    ['with a vendor twice', 'a=1,a=2'],
    ['with a key in upper case', 'Congo=1'],
    ['with an equals sign in a value', 'a=b=c'],
    ['with more than 32 vendors', Array.from({ length: 33 }, (_, at) => `v${at}=1`).join(',')],
    ['with a long value', `a=${'x'.repeat(257)}`],
    ['with more than 64 members', `a=1${','.repeat(64)}`],
  ] as const) {
    test(`with a tracestate ${what} has none`, async ({ lifetime }) => {
      expect(await traced(lifetime, { traceparent, tracestate: state })).toMatchObject({ traceId, state: '' });
    });
  }

  test('is read once for all calls of a batch', async ({ lifetime }) => {
    const server = await startServer(lifetime, { modules: [lab] });
    const traces: (TraceContext | undefined)[] = [];
    const see = (event: unknown): void => void traces.push((event as CallMessage).call.trace);
    subscribe('mi-httpd:call:start', see);
    lifetime.onTestFinished(() => void unsubscribe('mi-httpd:call:start', see));
    const headers = { traceparent, tracestate: 'a=1' };
    await post(server, `[${body('lab:look')},${body('lab:look')}]`, { headers });
    const [one, other, ...more] = traces;
    expect([one?.traceId, more.length]).toStrictEqual([traceId, 0]);
    expect(other).toBe(one);
    await post(server, body('lab:look'), { headers: { traceparent } });
    expect(traces.at(-1)?.state).toBe('');
  });

  test('given twice is none', async ({ lifetime }) => {
    const server = await startServer(lifetime, { modules: [lab] });
    seen = undefined;
    const headers = { traceparent: [traceparent, traceparent] } as never;
    expect((await post(server, body('lab:look'), { headers })).status).toBe(200);
    expect(seen).toBeUndefined();
  });

  test('is in lines of the call, in the line of its failure and in the audit, and else in none', async ({
    lifetime,
  }) => {
    const file = temporaryFile(lifetime, 'audit.log', '');
    const lines: object[] = [];
    const write = (fields: object): void => void lines.push(fields);
    const log: Log = { debug: write, info: write, warn: write, error: write };
    const server = await startServer(lifetime, { modules: [lab], log, httpd: { audit_file: file } });
    lines.length = 0;
    await post(server, body('lab:look'), { headers: { traceparent } });
    await post(server, body('lab:fail'), { headers: { traceparent } });
    await post(server, body('lab:look'));
    expect(lines.map((fields) => (fields as { trace_id?: unknown }).trace_id)).toStrictEqual([
      traceId,
      traceId,
      undefined,
    ]);
    await server.close();
    const audited = readFileSync(file, 'utf8').trim().split('\n');
    expect(audited.map((line) => (JSON.parse(line) as { trace_id?: unknown }).trace_id)).toStrictEqual([
      traceId,
      traceId,
      undefined,
    ]);
  });
});

test('examples/opentelemetry.mjs makes spans with the SDK of OpenTelemetry', async ({ lifetime }) => {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  lifetime.onTestFinished(traceCalls(provider.getTracer('test')) as () => void);
  const server = await startServer(lifetime, { modules: [lab], log: silentLog });
  await post(server, body('lab:look'), { headers: { traceparent } });
  await callError(server, 'lab:fail');
  const [one, other, ...more] = exporter.getFinishedSpans();
  expect(more).toStrictEqual([]);
  expect(one?.spanContext().traceId).toBe(traceId);
  expect(one?.parentSpanContext?.spanId).toBe(parentId);
  expect([one?.name, one?.kind, one?.status.code]).toStrictEqual(['lab:look', SpanKind.SERVER, SpanStatusCode.UNSET]);
  expect(one?.attributes).toMatchObject({ 'rpc.method': 'lab:look', 'client.address': '127.0.0.1' });
  expect([other?.name, other?.status]).toStrictEqual(['lab:fail', { code: SpanStatusCode.ERROR, message: 'broken' }]);
  expect(other?.parentSpanContext).toBeUndefined();
  expect(other?.events[0]?.name).toBe('exception');
  expect(api.getActiveSpan()).toBeUndefined();
});
