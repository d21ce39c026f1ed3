import { assert, expect, test } from 'vitest';
import {
  defineParameters,
  ParameterError,
  type ParameterInput,
  type ParameterValues,
  parametersFromObject,
} from './parameter.js';

const declarations = defineParameters({
  port: { type: 'int', default: 8888, min: 1, max: 65535, help: 'port' },
  buf_size: {
    type: 'int',
    default: 1024,
    min: 512,
    unit: 'bytes',
    help: 'buffer',
    check: (v) => (v % 2 === 0 ? undefined : 'it must be even'),
  },
  root: {
    type: 'string',
    default: 'mi',
    help: 'root',
    aliases: ['mi_http_root'],
    check: (v) => (v === '' ? 'it must not be empty' : undefined),
  },
  auth_password: {
    type: 'string',
    default: undefined,
    secret: true,
    help: 'password',
    check: (v) => (v.length < 4 ? 'too short' : undefined),
  },
  listen: {
    type: 'list',
    help: 'listeners',
    excludes: { names: ['port'], remedy: 'leave port out' },
    check: (v) => (v.includes(':') ? undefined : 'it has no colon'),
  },
  tls_ciphers: { type: 'string', refused: 'the ciphers are those of the TLS library', help: 'ciphers' },
});

type Values = ParameterValues<typeof declarations>;
type Same<A, B> = [A, B] extends [B, A] ? true : false;
const typesAreInferred: Same<
  Values,
  {
    readonly port: number;
    readonly buf_size: number;
    readonly root: string;
    readonly auth_password: string | undefined;
    readonly listen: readonly string[];
  }
> = true;
const input: ParameterInput<typeof declarations> = { port: 80, root: undefined };
// @ts-expect-error a refused parameter cannot be given
const refusedInput: ParameterInput<typeof declarations> = { tls_ciphers: 'x' };

function problemsOf(given: object): readonly string[] {
  try {
    parametersFromObject('httpd', declarations, given);
  } catch (error) {
    assert(error instanceof ParameterError);
    expect(error.message).toBe(error.problems.join('\n'));
    expect(error.module).toBe('httpd');
    return error.problems;
  }
  return [];
}

test('defaults are filled in, undefined means the default', () => {
  expect(typesAreInferred).toBe(true);
  const defaults = { port: 8888, buf_size: 1024, root: 'mi', auth_password: undefined, listen: [] };
  expect(parametersFromObject('httpd', declarations, undefined)).toStrictEqual(defaults);
  expect(parametersFromObject('httpd', declarations, input)).toStrictEqual({ ...defaults, port: 80 });
  const root: string = parametersFromObject('httpd', declarations, { root: 'x', auth_password: 'long enough' }).root;
  expect(root).toBe('x');
});

test('a list takes strings, each of which is checked', () => {
  const listen = ['a:1', 'b:2'];
  expect(parametersFromObject('httpd', declarations, { listen }).listen).toStrictEqual(listen);
  expect(problemsOf({ listen: 'a:1' })).toStrictEqual([
    'parameter "listen" of module httpd must be an array of strings, not a string',
  ]);
  expect(problemsOf({ listen: ['a', 1, 'b:2'] })).toStrictEqual([
    'parameter "listen" of module httpd is "a": it has no colon',
    'parameter "listen" of module httpd must be an array of strings, not of a number',
  ]);
});

test('parameters that exclude each other are told, in either order; an empty list excludes nothing', () => {
  const problem = ['parameters "listen" and "port" of module httpd do not mix: leave port out'];
  expect(problemsOf({ listen: ['a:1'], port: 1 })).toStrictEqual(problem);
  expect(problemsOf({ port: 1, listen: ['a:1'] })).toStrictEqual(problem);
  expect(problemsOf({ port: 1, listen: [] })).toStrictEqual([]);
  expect(problemsOf({ port: undefined, listen: ['a:1'] })).toStrictEqual([]);
});

test('every problem is listed', () => {
  expect(problemsOf({ prot: 1, port: 0, buf_size: 513, root: '', ...refusedInput })).toStrictEqual([
    'module httpd has no parameter "prot": did you mean "port"?',
    'parameter "port" of module httpd is 0, below the least value, 1: give a value from 1 to 65535',
    'parameter "buf_size" of module httpd is 513: it must be even',
    'parameter "root" of module httpd is "": it must not be empty',
    'parameter "tls_ciphers" of module httpd cannot be set: the ciphers are those of the TLS library',
  ]);
});

const wrong: [object, string][] = [
  [
    { port: 65536 },
    'parameter "port" of module httpd is 65536, above the greatest value, 65535: give a value from 1 to 65535',
  ],
  [
    { buf_size: 2 },
    'parameter "buf_size" of module httpd is 2 bytes, below the least value, 512 bytes: give a value from 512 to 2147483647',
  ],
  [{ port: 1.5 }, 'parameter "port" of module httpd is 1.5: it must be a whole number'],
  [{ port: Number.NaN }, 'parameter "port" of module httpd is NaN: it must be a whole number'],
  [{ port: '80' }, 'parameter "port" of module httpd must be a number, not a string'],
  [{ port: true }, 'parameter "port" of module httpd must be a number, not a boolean'],
  [{ port: null }, 'parameter "port" of module httpd must be a number, not null'],
  [{ root: ['a'] }, 'parameter "root" of module httpd must be a string, not an array'],
  [{ root: 1n }, 'parameter "root" of module httpd must be a string, not a bigint'],
  [{ auth_password: 'abc' }, 'parameter "auth_password" of module httpd: too short'],
  [{ mi_http_root: 'x' }, 'module httpd has no parameter "mi_http_root": use its main name "root"'],
  [
    { constructor: 1 },
    'module httpd has no parameter "constructor": known: port, buf_size, root, auth_password, listen',
  ],
  [
    JSON.parse('{"__proto__": 1}'),
    'module httpd has no parameter "__proto__": known: port, buf_size, root, auth_password, listen',
  ],
  [[1], 'parameters of module httpd: give an object, not an array'],
];

for (const [given, problem] of wrong) {
  test(problem, () => expect(problemsOf(given)).toStrictEqual([problem]));
}
