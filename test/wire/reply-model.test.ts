// Replies of one server, one after the other: each is what its request alone asks for, whatever was replied before.
import { Agent } from 'node:http';
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { command, defineModule, MiError, RecordTable, secondsLeft, stream, streamObject } from '#src/index.js';
import type { Lifetime } from '../support/lifetime.js';
import { count } from '../support/long.js';
import { post, startServer } from '../support/mi-client.js';
import { holds } from '../support/property.js';
import '../support/at-rest.js';
import { silentLog } from '../support/log.js';
import { test } from '../support/test.js';

/** Characters of one to four bytes, and those that JSON escapes; the bytes are those within a reply. */
const characters = { x: 1, é: 2, 日: 3, '😀': 4, '"': 2, '\n': 2, '\u0001': 6 } as const;
type Character = keyof typeof characters;

const kinds = [
  'text',
  'list',
  'later',
  'error',
  'error_later',
  'error_message',
  'stream',
  'slow_stream',
  'members',
  'dump',
  'broken',
  'constant',
  'statistics',
  'unknown',
  'notified',
] as const;
type Kind = (typeof kinds)[number];

interface Step {
  readonly kind: Kind;
  readonly character: Character;
  readonly times: number;
  readonly id: string;
}

const recipe = [{ character: 'string', times: 'int' }] as const;
/** A module that gives a text of any length in every way in which a command may give one. */
function module() {
  async function* slowly(text: string): AsyncGenerator<string> {
    await new Promise(setImmediate);
    yield text;
    await new Promise(setImmediate);
    yield text.slice(0, 2);
  }
  function* broken(): Generator<string> {
    yield* [];
    throw new Error('no database');
  }
  const later = <T>(value: T): Promise<T> => new Promise((resolve) => setImmediate(resolve, value));
  const make = {
    text: (text: string) => text,
    list: (text: string) => [text, { n: 1n, none: undefined }, [text.length]],
    later: (text: string) => later(text),
    error: (text: string) => {
      throw new MiError(404, 'not found', text);
    },
    error_later: async (text: string) => {
      await later(text);
      throw new MiError(480, 'not now', text);
    },
    error_message: (text: string) => {
      throw new MiError(500, text);
    },
    stream: (text: string) => ({ rows: stream([text, 7]), end: text.length }),
    slow_stream: (text: string) => [stream(slowly(text)), text.length],
    members: (text: string) => streamObject([[`name ${text}`, text]]),
    dump: (text: string) => {
      const table = new RecordTable().set('k', { text, left: secondsLeft(0, { permanent: 'for ever' }) });
      return { rows: table.dump(), keys: table.dump({ as: 'keys' }), last: text.length };
    },
    broken: (text: string) => [text, stream(broken())],
  };
  const commands = Object.entries(make).map(([name, give]) =>
    command({
      name,
      help: 'Gives a text.',
      recipes: recipe,
      run: ({ character, times }) => give(character.repeat(times)),
    }),
  );
  return defineModule({ name: 'model', commands });
}

/** The reply that a step asks for; undefined: none. */
function expected({ kind, character, times, id }: Step): object | undefined {
  const text = character.repeat(times);
  const frame = { jsonrpc: '2.0', id: JSON.parse(id) };
  const result = (value: unknown): object => ({ ...frame, result: value });
  const error = (code: number, message: string, data?: string): object => ({
    ...frame,
    error: data === undefined ? { code, message } : { code, message, data },
  });
  switch (kind) {
    case 'text':
    case 'later':
      return result(text);
    case 'list':
      return result([text, { n: 1 }, [text.length]]);
    case 'error':
      return error(404, 'not found', text);
    case 'error_later':
      return error(480, 'not now', text);
    case 'error_message':
      return error(500, text);
    case 'stream':
      return result({ rows: [text, 7], end: text.length });
    case 'slow_stream':
      return result([[text, text.slice(0, 2)], text.length]);
    case 'members':
      return result({ [`name ${text}`]: text });
    case 'dump':
      return result({ rows: [{ text, left: 'for ever' }], keys: ['k'], last: text.length });
    case 'constant':
      return result({ Server: constant });
    case 'statistics':
      return result({ 'mi:rate_limited': 0 });
    case 'unknown':
      return error(-32601, 'Method not found');
    case 'broken':
      return undefined;
    case 'notified':
      return undefined;
  }
}

let constant = '';

function requestOf({ kind, character, times, id }: Step): string {
  const method = { constant: 'version', statistics: 'get_statistics', notified: 'model:text' }[kind as string];
  const params = { constant: '', statistics: ',"params":[["rate_limited"]]', unknown: '' }[kind as string];
  const given = params ?? `,"params":${JSON.stringify([character, times])}`;
  const idMember = kind === 'notified' ? '' : `,"id":${id}`;
  return `{"jsonrpc":"2.0","method":"${method ?? `model:${kind}`}"${given}${idMember}}`;
}

/** A stream that fails does so before anything is sent where it is short, and cuts the connection where it is not. */
function matches(found: unknown, step: Step): void {
  if (step.kind === 'broken') {
    const { error } = found as { error: { code: number } };
    expect(error.code).toBe(-32000);
  } else if (step.kind === 'unknown') {
    const { error } = found as { error: { code: number } };
    expect(error.code).toBe(-32601);
  } else {
    expect(found).toStrictEqual(expected(step));
  }
}

/** Steps whose texts are short, or about as long as a window of `size` bytes, counted in bytes or in UTF-16 units. */
function stepsAround(size: number): fc.Arbitrary<Step> {
  const wide = fc.constantFrom(...(Object.keys(characters) as Character[]));
  const times = (character: Character): fc.Arbitrary<number> => {
    const around = fc.integer({ min: -150, max: 50 });
    return fc.oneof(
      fc.integer({ min: 0, max: 40 }),
      around.map((delta) => Math.max(0, Math.ceil((size + delta) / characters[character]))),
      // Few enough for the window, were each a byte.
      around.map((delta) => Math.max(0, Math.ceil((size - 100 + delta / 2) / character.length))),
      fc.double({ min: 0, max: 1.2, noNaN: true }).map((share) => Math.floor(size * share)),
    );
  };
  const id = fc.oneof(
    fc.constantFrom('null', '"\\u0041"', '0', `"${'i'.repeat(100)}"`, `"${'é'.repeat(200)}"`),
    fc.integer().map(String),
  );
  return wide.chain((character) =>
    fc.record({
      kind: fc.constantFrom(...kinds, 'error', 'error'),
      character: fc.constant(character),
      times: times(character),
      id,
    }),
  );
}

async function serve(t: Lifetime, buf_size: number, pretty_printing: number) {
  const options = { modules: [module()], log: silentLog, httpd: { buf_size }, mi_http: { pretty_printing } };
  const server = await startServer(t, options);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.onTestFinished(() => agent.destroy());
  const { body } = await post(server, requestOf({ kind: 'constant', character: 'x', times: 0, id: '1' }));
  constant = JSON.parse(body).result.Server;
  return { server, agent };
}

/** Whether a reply to this step begins with more than one chunk holds, so that its failure cuts the connection. */
function isCut({ kind, character, times }: Step, chunk: number): boolean {
  return kind === 'broken' && characters[character] * times + 40 > Math.min(chunk, 32_000);
}

const mib = 1 << 20;

describe('replies in any order', () => {
  for (const { buf_size, size, runs, steps, found } of [
    { buf_size: 1024, size: 1024, runs: count(60, 2000), steps: 24, found: [-2057391959, -408989995] },
    { buf_size: 4096, size: 4096, runs: count(40, 1000), steps: 24, found: [167817995] },
    { buf_size: 0, size: 4 * mib, runs: count(2, 30), steps: 8, found: [] },
  ]) {
    for (const pretty of [0, 1]) {
      const title = `are each what was asked for, with buf_size ${buf_size} and pretty_printing ${pretty}`;
      test(title, async ({ lifetime }) => {
        const { server, agent } = await serve(lifetime, buf_size, pretty);
        const step = stepsAround(size).filter((one) => !isCut(one, size));
        const group = fc.array(step, { minLength: 1, maxLength: 6 });
        const sequence = fc.array(fc.oneof({ weight: 3, arbitrary: step }, group), { minLength: 1, maxLength: steps });
        await holds(
          fc.asyncProperty(sequence, async (list) => {
            for (const one of list) {
              if (Array.isArray(one)) await batch(one);
              else await single(one);
            }
          }),
          { runs, found },
        );
        agent.destroy();
        await expect(server).toBeAtRest();

        async function single(one: Step): Promise<void> {
          const { status, body } = await post(server, requestOf(one), { agent });
          if (one.kind === 'notified') return expect({ status, body }).toStrictEqual({ status: 202, body: '' });
          expect(status).toBe(200);
          matches(JSON.parse(body), one);
        }

        async function batch(list: readonly Step[]): Promise<void> {
          const { status, body } = await post(server, `[${list.map(requestOf).join(',')}]`, { agent });
          const answered = list.filter(({ kind }) => kind !== 'notified');
          expect(status).toBe(answered.length === 0 ? 202 : 200);
          if (answered.length === 0) return;
          const replies = JSON.parse(body) as unknown[];
          expect(replies.length).toBe(answered.length);
          for (const [index, one] of answered.entries()) matches(replies[index], one);
        }
      });
    }
  }

  for (const [buf_size, pretty, tooMany] of [
    [1024, 0, 700],
    [1024, 1, 700],
    [0, 0, 2.2 * mib],
    [0, 1, 2.2 * mib],
  ] as const) {
    const title = `too many bytes, not too many characters, spoil no reply behind, buf_size ${buf_size}, pretty ${pretty}`;
    test(title, async ({ lifetime }) => {
      const { server, agent } = await serve(lifetime, buf_size, pretty);
      const base = { character: 'é', id: '1' } as const;
      const short = ['text', 'error', 'constant', 'statistics'] as const;
      for (const before of buf_size === 0 ? ['text' as const] : short) {
        for (const long of ['error', 'error_message', 'text', 'error_later'] as const) {
          for (const behind of short) {
            for (const [kind, times] of [
              [before, 1],
              [long, Math.floor(tooMany)],
              [behind, 1],
            ] as const) {
              const { body } = await post(server, requestOf({ ...base, kind, times }), { agent });
              matches(JSON.parse(body), { ...base, kind, times });
            }
          }
        }
      }
    });
  }
}, 300_000);
