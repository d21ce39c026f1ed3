// Every reply, error, page, event and audit line can be decoded by strict decoders, whatever a client or a command gave.
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { assert, describe, expect } from 'vitest';
import { command, defineModule, MiError, RecordTable, type Result, stream, streamObject } from '#src/index.js';
import type { Lifetime } from '../support/lifetime.js';
import { count } from '../support/long.js';
import { post } from '../support/mi-client.js';
import { holds } from '../support/property.js';
import { unless } from '../support/unless.js';
import '../support/at-rest.js';
import { silentLog } from '../support/log.js';
import { test } from '../support/test.js';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** A text is decodable when its bytes are UTF-8 and no escape in it is half of a pair. */
function decode(bytes: Uint8Array): void {
  const given = JSON.parse(decoder.decode(bytes), (_name, value) => {
    if (typeof value === 'string') expect(value).not.toMatch(/\p{Surrogate}/u);
    else if (typeof value === 'object' && value !== null) {
      for (const name of Object.keys(value)) expect(name).not.toMatch(/\p{Surrogate}/u);
    }
    return value;
  });
  expect(given).not.toBe(undefined);
}

/** Texts in which halves of surrogate pairs are common, about as long as what is cut. */
const text = fc
  .array(fc.constantFrom('\ud800', '\udc00', '😀', 'a', '\\', '"', 'é', '\\ud800', '😀'.repeat(33), 'b'.repeat(31)), {
    maxLength: 24,
  })
  .map((parts) => parts.join(''));

function module() {
  const table = new RecordTable();
  const given: { text: string } = { text: '' };
  const make: Readonly<Record<string, () => Result | Promise<Result>>> = {
    text: () => given.text,
    members: () => ({ [given.text]: [given.text], big: 1n }),
    stream: () => [stream([given.text, { [given.text]: 1 }]), streamObject([[given.text, given.text]])],
    dump: () => (table.clear() as undefined) ?? [table.set('k', { [given.text]: given.text }).dump()],
    error: () => {
      throw new MiError(404, given.text, given.text);
    },
    later: async () => {
      throw new MiError(404, given.text, given.text);
    },
  };
  const commands = Object.entries(make).map(([name, run]) =>
    command({ name, help: 'Gives a text.', readOnly: true, run }),
  );
  const echo = command({
    name: 'echo',
    help: 'Gives it back.',
    recipes: [{ value: 'json' }],
    run: ({ value }) => value,
  });
  return { given, names: Object.keys(make), module: defineModule({ name: 'half', commands: [...commands, echo] }) };
}

function folder(t: Lifetime): string {
  const path = mkdtempSync(join(tmpdir(), 'mi-httpd-decodable-'));
  t.onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

function requestOf(method: string, params: unknown, id = '1'): string {
  return `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${JSON.stringify(params)},"id":${id}}`;
}

describe('what a server writes can be decoded', () => {
  for (const pretty_printing of [0, 1]) {
    test(`replies to anything, and what commands give, pretty_printing ${pretty_printing}`, async ({
      lifetime,
      startServer,
    }) => {
      const { given, names, module: half } = module();
      const audit_file = join(folder(lifetime), 'audit.log');
      const server = await startServer({
        modules: [half],
        log: silentLog,
        httpd: { buf_size: 1024, audit_file },
        mi_http: { pretty_printing },
        mi_json: {},
      });
      await holds(
        fc.asyncProperty(text, fc.constantFrom(...names), async (one, name) => {
          given.text = one;
          const encoded = encodeURIComponent(Buffer.from(one).toString());
          const bodies = [
            requestOf(`half:${name}`, []),
            requestOf('half:echo', [one]),
            requestOf('half:echo', { value: { deep: [{ [one]: one }] } }),
            requestOf('half:echo', { [one]: 1 }),
            requestOf(one, [one]),
            requestOf(`half:${name}`, [], JSON.stringify(one)),
            `[${requestOf(`half:${name}`, [])},${requestOf(one, [], JSON.stringify(one))}]`,
          ];
          for (const body of bodies) decode((await post(server, body)).bytes);
          decode((await post(server, '', { method: 'GET', path: `/mi/half/${name}?recipe=0&raw=1` })).bytes);
          for (const path of [
            `/mi/half/${name}?recipe=0`,
            `/mi/${encoded}/${encoded}`,
            `/mi/half/echo?arg=${encoded}`,
          ]) {
            decoder.decode((await post(server, '', { method: 'GET', path })).bytes);
          }
        }),
        { runs: count(25, 1000) },
      );
      await expect(server).toBeAtRest();
      for (const line of decoder.decode(readFileSync(audit_file)).trim().split('\n'))
        if (line !== '') decode(Buffer.from(line));
    });
  }

  test('half of a surrogate pair in a parameter is refused by its name, in an id as an invalid request', async ({
    startServer,
  }) => {
    const { module: half } = module();
    const server = await startServer({ modules: [half], log: silentLog });
    for (const params of [['\ud800'], { value: ['a', { b: '\udc00a' }] }, { value: { '\ud83d': 1 } }]) {
      const { error } = JSON.parse((await post(server, requestOf('half:echo', params))).body);
      expect(error.code).toBe(-32602);
      expect(error.data).toMatch(/half of a surrogate pair in parameter 'value'/);
    }
    const { body } = await post(server, requestOf('half:echo', ['a'], '"\\ud800"'));
    expect(body).toMatch(/-32600.*half of a surrogate pair.*"id":null/);
    const whole = await post(server, requestOf('half:echo', ['😀'], '"\\ud83d\\ude00"'));
    expect(JSON.parse(whole.body)).toStrictEqual({ jsonrpc: '2.0', result: '😀', id: '😀' });
    const arg = encodeURIComponent('{"value":"\\ud800"}');
    const headers = { 'Sec-Fetch-Site': 'same-origin' };
    const page = await post(server, '', { method: 'GET', path: `/mi/half/echo?arg=${arg}`, headers });
    expect(page.body).toMatch(/half of a surrogate pair in parameter/);
  });

  test('texts that are cut short are cut between characters', async ({ lifetime, startServer }) => {
    const { module: half } = module();
    const audit_file = join(folder(lifetime), 'audit.log');
    const server = await startServer({ modules: [half], log: silentLog, httpd: { audit_file } });
    // Wherever the cut is, one of two begins is odd there.
    for (const begin of ['', 'a']) {
      const long = begin + '😀'.repeat(2000);
      for (const name of [long, `half:${long}`, `${long}:x`]) {
        const { body } = await post(server, requestOf(name, []));
        expect(body).toMatch(/😀…/);
        expect(body).not.toContain('\ufffd');
      }
      const page = await post(server, '', {
        method: 'GET',
        path: `/mi/${encodeURIComponent(begin + '😀'.repeat(50))}`,
      });
      expect(page.body).toMatch(/😀…/);
      expect(page.body).not.toContain('\ufffd');
      await post(server, requestOf('half:echo', [[long, { [long]: long }]]));
    }
    await server.close();
    const lines = readFileSync(audit_file, 'utf8');
    expect(lines).toMatch(/😀\([0-9]+ more\)/);
    expect(lines).not.toMatch(/\ufffd|\\ud/);
  });

  test('events', async ({ onTestFinished, startServer }) => {
    const receiver = createSocket('udp4').bind(0, '127.0.0.1');
    onTestFinished(() => void receiver.close());
    await once(receiver, 'listening');
    const server = await startServer({ log: silentLog, event_datagram: {}, event_jsonrpc: {} });
    const sink = server.events;
    assert(sink !== undefined);
    const event = sink.declare('E_HALF');
    const { body } = await post(
      server,
      requestOf('event_subscribe', ['E_HALF', `udp:127.0.0.1:${receiver.address().port}`]),
    );
    expect(body).toMatch(/"OK"/);
    event.raise({ text: 'a\ud800b' });
    const [message] = (await once(receiver, 'message')) as [Buffer];
    const sent = decoder.decode(message);
    expect(sent).not.toMatch(/\\ud8/);
    expect(sent).toMatch(/a\ufffdb/);
  });
});

/** Decoders that other languages read replies with: each gets lines of JSON, and prints what it has read as JSON again. */
const decoders: readonly (readonly [name: string, program: string, args: readonly string[]])[] = [
  [
    'Python',
    'python3',
    [
      '-c',
      [
        'import sys, json',
        'for line in sys.stdin.buffer:',
        // Given bytes, json decodes them leniently; a text that has half of a pair cannot be encoded.
        '  text = json.dumps(json.loads(line.decode("utf-8")), ensure_ascii=False)',
        '  sys.stdout.buffer.write((text + "\\n").encode("utf-8"))',
      ].join('\n'),
    ],
  ],
  [
    'PHP',
    'php',
    [
      '-r',
      'while (($l = fgets(STDIN)) !== false) { ' +
        'echo json_encode(json_decode($l, false, 512, JSON_THROW_ON_ERROR), JSON_THROW_ON_ERROR), "\n"; }',
    ],
  ],
  ['Ruby', 'ruby', ['-rjson', '-e', 'STDIN.each_line { |l| puts JSON.generate(JSON.parse(l)) }']],
  ['jq', 'jq', ['-c', '.']],
];

describe('decoders of other languages', () => {
  for (const [name, program, args] of decoders) {
    const isThere = spawnSync(program, ['--version']).status === 0;
    unless(isThere ? false : `${program} is not installed`, test)(
      `${name} takes every reply`,
      async ({ startServer }) => {
        const { given, names, module: half } = module();
        const server = await startServer({ modules: [half], log: silentLog });
        const lines: string[] = [];
        for (const one of fc.sample(text, { numRuns: 40, seed: 7 })) {
          given.text = one;
          for (const kind of names) lines.push((await post(server, requestOf(`half:${kind}`, []))).body);
          lines.push((await post(server, requestOf('half:echo', [one], JSON.stringify(one)))).body);
          lines.push((await post(server, requestOf(one, [one]))).body);
        }
        const input = `${lines.join('\n')}\n`;
        const { status, stdout, stderr } = spawnSync(program, args, { input });
        expect(status, stderr.toString()).toBe(0);
        const read = decoder.decode(stdout).trimEnd().split('\n');
        expect(read.map((line) => JSON.parse(line))).toStrictEqual(lines.map((line) => JSON.parse(line)));
      },
    );
  }
});
