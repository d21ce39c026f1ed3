// Every case of jsonrpc-2.0.json, which other projects may use as well: it says how.
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { command, defineModule, MiError, type Server } from '#src/index.js';
import { suiteLifetime } from '../support/lifetime.js';
import { post, startServer } from '../support/mi-client.js';

interface ConformanceCase {
  readonly name: string;
  readonly section: string;
  readonly requirement: 'MUST' | 'SHOULD' | 'MAY' | 'example';
  readonly request: string;
  readonly accepts: readonly unknown[];
}

const { cases } = JSON.parse(readFileSync('test/conformance/jsonrpc-2.0.json', 'utf8')) as {
  cases: readonly ConformanceCase[];
};

const three = { a: 'int', b: 'int', c: 'int' } as const;

/** The methods that the file asks for. */
const methods = defineModule({
  name: 'conformance',
  commands: [
    command({
      name: 'subtract',
      help: 'Subtracts.',
      recipes: [{ minuend: 'int', subtrahend: 'int' }],
      run: ({ minuend, subtrahend }) => minuend - subtrahend,
    }),
    command({ name: 'sum', help: 'Adds.', recipes: [three], run: ({ a, b, c }) => a + b + c }),
    command({ name: 'update', help: 'Takes five.', recipes: [{ ...three, d: 'int', e: 'int' }], run: () => 'OK' }),
    command({ name: 'notify_hello', help: 'Takes one.', recipes: [{ a: 'int' }], run: () => 'OK' }),
    command({ name: 'notify_sum', help: 'Takes three.', recipes: [three], run: () => 'OK' }),
    command({ name: 'get_data', help: 'Gives data.', run: () => ['hello', 5] }),
    command({ name: 'get_null', help: 'Gives null.', run: () => null }),
    command({
      name: 'fail',
      help: 'Fails.',
      run: () => {
        throw new MiError(404, 'nothing there');
      },
    }),
  ],
});

/** What the comparison looks at: of an error its code, when the rest of it is as it must be. */
function essence(response: unknown): unknown {
  if (typeof response !== 'object' || response === null || !('error' in response)) return response;
  const { code, message, data: _data, ...rest } = response.error as Record<string, unknown>;
  return { ...response, error: typeof message === 'string' ? { code, ...rest } : response.error };
}

/** Responses of a batch may come in any order (JSON-RPC 2.0 §6). */
function isAccepted(actual: unknown, accepted: unknown): boolean {
  if (!Array.isArray(accepted)) return isDeepStrictEqual(essence(actual), accepted);
  if (!Array.isArray(actual) || actual.length !== accepted.length) return false;
  const left = actual.map(essence);
  return accepted.every((response) => {
    const at = left.findIndex((other) => isDeepStrictEqual(other, response));
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  });
}

describe('JSON-RPC 2.0 conformance', () => {
  for (const pretty of [0, 1]) {
    describe(`every case, ${pretty === 1 ? 'indented' : 'compact'}`, () => {
      const lifetime = suiteLifetime();
      let server: Server;
      beforeAll(async () => {
        server = await startServer(lifetime, { modules: [methods], mi_http: { pretty_printing: pretty } });
      });
      for (const { name, section, requirement, request, accepts } of cases) {
        test(`§${section} ${requirement}: ${name}`, async () => {
          const { status, body } = await post(server, request);
          expect(status).toBe(body === '' ? 202 : 200);
          const actual: unknown = body === '' ? null : JSON.parse(body);
          expect(
            accepts.some((accepted) => isAccepted(actual, accepted)),
            `${body}\nis none of ${JSON.stringify(accepts)}`,
          ).toBe(true);
        });
      }
    });
  }

  test('the file covers every example, and each section with a rule for servers', () => {
    const sections = new Set(cases.map(({ section }) => section));
    expect([...sections].sort()).toStrictEqual(['4', '4.1', '4.2', '5', '5.1', '6', '7']);
    expect(cases.filter(({ requirement }) => requirement === 'example').length).toBe(15);
    expect(new Set(cases.map(({ section, name }) => section + name)).size).toBe(cases.length);
  });
});
