import { beforeAll, describe, expect, test } from 'vitest';
import { command, defineModule, type Server } from '#src/index.js';
import { suiteLifetime } from '../support/lifetime.js';
import { call, callError, post, startServer } from '../support/mi-client.js';

const echo = defineModule({
  name: 'echo',
  commands: [
    command({
      name: 'level',
      help: 'x',
      recipes: [{}, { level: 'int' }, { level: 'int', pid: 'int' }],
      run: (given) => ({ ...given }),
    }),
    command({
      name: 'two_ways',
      help: 'x',
      recipes: [
        { ip: 'string', port: 'int' },
        { name: 'string', flag: 'bool' },
      ],
      run: (given) => ({ ...given }),
    }),
    command({ name: 'named', help: 'x', namedOnly: true, recipes: [{ index: 'int' }], run: ({ index }) => index }),
    command({
      name: 'beside',
      help: 'x',
      recipes: [{}, { brief: 'int' }],
      optional: { limit: 'int', fields: 'string[]' },
      run: ({ brief, limit, fields }) => ({ brief, limit, fields }),
    }),
    command({ name: 'texts', help: 'x', recipes: [{ items: 'string[]' }], run: ({ items }) => items }),
    command({ name: 'numbers', help: 'x', recipes: [{ items: 'int[]' }], run: ({ items }) => items }),
    command({ name: 'objects', help: 'x', recipes: [{ items: 'object[]' }], run: ({ items }) => items }),
    command({ name: 'any', help: 'x', recipes: [{ value: 'json' }], run: ({ value }) => value }),
  ],
});

describe('recipes and types', () => {
  const lifetime = suiteLifetime();
  let server: Server;
  beforeAll(async () => {
    server = await startServer(lifetime, { modules: [echo] });
  });
  const accepts = (method: string, params: unknown, result: unknown): void =>
    test(`${method} ${JSON.stringify(params)}`, async () => {
      expect(await call(server, `echo:${method}`, params)).toStrictEqual(result);
    });
  const refuses = (method: string, params: unknown, data: RegExp): void =>
    test(`${method} ${JSON.stringify(params)} is refused`, async () => {
      const error = await callError(server, `echo:${method}`, params);
      expect([error.code, error.message]).toStrictEqual([-32602, 'Invalid params']);
      expect(error.data ?? '').toMatch(data);
    });

  accepts('beside', undefined, {});
  accepts('beside', [1], { brief: 1 });
  accepts('beside', { brief: 1 }, { brief: 1 });
  accepts('beside', { limit: '5' }, { limit: 5 });
  accepts('beside', { fields: ['a'], brief: 0, limit: 1 }, { brief: 0, limit: 1, fields: ['a'] });
  refuses('beside', [1, 2], /^Too few or too many parameters; beside accepts \(\) \(brief\)$/);
  refuses('beside', { limit: 'x' }, /^Bad type for parameter 'limit'/);
  refuses('beside', { limit: 1, x: 1 }, /^Named parameters do not match; .*\(brief\), and by name limit, fields$/);
  refuses('beside', { limit: 1, x: 1, y: 2 }, /^Too few or too many parameters/);
  refuses('beside', { limit: 1, fields: ['\ud800'] }, /half of a surrogate pair in parameter 'fields'/);
  accepts('level', undefined, {});
  accepts('level', [3], { level: 3 });
  accepts('level', { pid: 7, level: 4 }, { level: 4, pid: 7 });
  accepts('level', [1.9], { level: 1 });
  accepts('level', [-1.9], { level: -1 });
  accepts('level', ['+12'], { level: 12 });
  accepts('level', [99999999999], { level: 99999999999 });
  refuses('level', [1, 2, 3], /^Too few or too many parameters; level accepts \(\) \(level\) \(level, pid\)$/);
  refuses('level', { level: 1, x: 2 }, /^Named parameters do not match; level accepts/);
  refuses('level', { LEVEL: 1 }, /^Named parameters do not match/);
  refuses('level', { a: 1, b: 2, c: 3 }, /^Too few or too many parameters/);
  for (const value of [true, null, '', '1x', ' 1', '0x10', [], {}, 1e300, '99999999999999999999']) {
    refuses('level', [value], /^Bad type for parameter 'level'$/);
  }
  accepts('two_ways', { ip: '::1', port: '5060' }, { ip: '::1', port: 5060 });
  accepts('two_ways', { flag: 'y', name: 5 }, { name: '5', flag: true });
  refuses(
    'two_ways',
    ['a', 1],
    /^Ambiguous call, use named parameters instead; two_ways accepts \(ip, port\) \(name, flag\)$/,
  );
  refuses('two_ways', undefined, /^Too few or too many parameters/);
  refuses('two_ways', { ip: null, port: 1 }, /^Bad type for parameter 'ip'$/);
  refuses('two_ways', { name: 'x', flag: 'maybe' }, /^Bad type for parameter 'flag'$/);
  accepts('named', { index: 2 }, 2);
  refuses('named', [2], /^Command only supports named parameters; named accepts \(index\) by name$/);
  refuses('named', [], /^Too few or too many parameters/);
  accepts('texts', [['a', 7]], ['a', '7']);
  accepts('texts', { items: ['é'] }, ['é']);
  refuses('texts', [[]], /^Empty array in parameter 'items'$/);
  refuses('texts', ['all'], /^Bad type for parameter 'items'$/);
  refuses('texts', [[['a']]], /^Bad type for array item in parameter 'items'$/);
  accepts('numbers', [[1, '2']], [1, 2]);
  refuses('numbers', [[1, 'x']], /^Bad type for array item in parameter 'items'$/);
  accepts('objects', [[{ a: [] }]], [{ a: [] }]);
  refuses('objects', [[1]], /^Bad type for array item/);
  accepts('any', [null], null);
  accepts('any', [{ a: [1, 'x', false] }], { a: [1, 'x', false] });

  test('a repeated parameter name counts twice', async () => {
    const body = '{"jsonrpc":"2.0","method":"echo:texts","params":{"items":["a"],"items":["b"]},"id":1}';
    expect((await post(server, body)).body).toMatch(/-32602.*Too few or too many parameters/);
  });
  test('a parameter named like a member of every object is just a name', async () => {
    const body = '{"jsonrpc":"2.0","method":"echo:texts","params":{"__proto__":["a"]},"id":1}';
    expect((await post(server, body)).body).toMatch(/Named parameters do not match/);
  });
});
