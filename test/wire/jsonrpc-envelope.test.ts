import { beforeAll, describe, expect, test } from 'vitest';
import { command, defineModule, type Server } from '#src/index.js';
import { suiteLifetime } from '../support/lifetime.js';
import { post, startServer } from '../support/mi-client.js';

const ok = (id: string): string => `{"jsonrpc":"2.0","result":"Hello","id":${id}}`;

/** Request text, and the reply as text or as a pattern. `hello` stands for a command that answers `Hello`. */
const cases: readonly (readonly [string, string, string | RegExp])[] = [
  // ids: echoed byte for byte (JSON-RPC 2.0 §5: the same value; clients compare texts)
  ['id 0', '{"jsonrpc":"2.0","method":"t:hello","id":0}', ok('0')],
  ['empty id', '{"jsonrpc":"2.0","method":"t:hello","id":""}', ok('""')],
  ['id null is a call', '{"jsonrpc":"2.0","method":"t:hello","id":null}', ok('null')],
  ['unicode id', '{"jsonrpc":"2.0","method":"t:hello","id":"žluť-日本-😀"}', ok('"žluť-日本-😀"')],
  ['escaped id', '{"jsonrpc":"2.0","method":"t:hello","id":"a\\/b\\u002fc\\u00e9"}', ok('"a\\/b\\u002fc\\u00e9"')],
  ['id beyond 32 bits', '{"jsonrpc":"2.0","method":"t:hello","id":1700000000000}', ok('1700000000000')],
  ['id beyond 64 bits', '{"jsonrpc":"2.0","method":"t:hello","id":123456789012345678901}', ok('123456789012345678901')],
  ['fraction id', '{"jsonrpc":"2.0","method":"t:hello","id":1.50}', ok('1.50')],
  ['exponent id', '{"jsonrpc":"2.0","method":"t:hello","id":1e400}', ok('1e400')],
  ['id first, blanks', ' {\r\n\t"id" : -7 , "method" : "t:hello" , "jsonrpc" : "2.0" } \n', ok('-7')],
  ['escaped member names and values', '{"json\\u0072pc":"2\\u002e0","meth\\u006fd":"t:hell\\u006f","id":1}', ok('1')],
  ['params empty array', '{"jsonrpc":"2.0","method":"t:hello","params":[],"id":1}', ok('1')],
  ['params empty object', '{"jsonrpc":"2.0","method":"t:hello","params":{},"id":1}', ok('1')],
  ['unknown member', '{"jsonrpc":"2.0","method":"t:hello","id":1,"trace":{"a":[1,{}]}}', ok('1')],

  // -32700 (RFC 8259)
  [
    'no JSON',
    'nope',
    /^\{"jsonrpc":"2\.0","error":\{"code":-32700,"message":"Parse error","data":".*byte.*"\},"id":null\}$/,
  ],
  ['text behind', '{"jsonrpc":"2.0","method":"t:hello","id":1}x', /-32700/],
  ['leading zero', '{"jsonrpc":"2.0","method":"t:hello","id":007}', /-32700/],
  ['plus sign', '{"jsonrpc":"2.0","method":"t:hello","id":+1}', /-32700/],
  ['single quotes', "{'jsonrpc':'2.0'}", /-32700/],
  ['trailing comma', '{"jsonrpc":"2.0","method":"t:hello","id":1,}', /-32700/],
  ['comment', '{"jsonrpc":"2.0","method":"t:hello","id":1/* */}', /-32700/],
  ['byte order mark', '\ufeff{"jsonrpc":"2.0","method":"t:hello","id":1}', /-32700/],
  ['raw control character', '{"jsonrpc":"2.0","method":"t:hello","id":"\u0001"}', /-32700/],
  ['lone surrogate', '{"jsonrpc":"2.0","method":"t:hello","id":"\\ud800"}', /-32600.*half of a surrogate pair/],
  ['NaN', '{"jsonrpc":"2.0","method":"t:hello","id":NaN}', /-32700/],
  ['129 levels', `{"jsonrpc":"2.0","method":"t:hello","id":1,"x":${'['.repeat(128)}${']'.repeat(128)}}`, /-32700.*128/],
  ['128 levels', `{"jsonrpc":"2.0","method":"t:hello","id":1,"x":${'['.repeat(127)}${']'.repeat(127)}}`, ok('1')],

  // -32600 (JSON-RPC 2.0 §4), each with the reason
  ['number', '5', /-32600.*object.*"id":null/],
  ['string', '"x"', /-32600.*"id":null/],
  ['empty batch', '[]', /-32600.*"id":null/],
  ['batch', '[{"jsonrpc":"2.0","method":"t:hello","id":1e0}]', `[${ok('1e0')}]`],
  ['no jsonrpc', '{"method":"t:hello","id":1}', /-32600.*jsonrpc.*"id":1/],
  ['jsonrpc 1', '{"jsonrpc":"1","method":"t:hello","id":1}', /-32600.*jsonrpc.*2\.0.*"id":1/],
  ['jsonrpc number', '{"jsonrpc":2.0,"method":"t:hello","id":1}', /-32600.*jsonrpc.*"id":1/],
  ['no method', '{"jsonrpc":"2.0","id":1}', /-32600.*method.*"id":1/],
  ['method array', '{"jsonrpc":"2.0","method":["t:hello"],"id":1}', /-32600.*method.*"id":1/],
  ['method in capitals', '{"jsonrpc":"2.0","METHOD":"t:hello","id":1}', /-32600.*method.*"id":1/],
  ['params null', '{"jsonrpc":"2.0","method":"t:hello","params":null,"id":1}', /-32600.*params.*"id":1/],
  [
    'params string',
    '{"jsonrpc":"2.0","method":"t:hello","params":"all","id":1}',
    /-32600.*params.*array.*object.*"id":1/,
  ],
  ['id true', '{"jsonrpc":"2.0","method":"t:hello","id":true}', /-32600.*id.*"id":null/],
  ['id array', '{"jsonrpc":"2.0","method":"t:hello","id":[1]}', /-32600.*id.*"id":null/],
  ['id object', '{"jsonrpc":"2.0","method":"t:hello","id":{"a":1}}', /-32600.*id.*"id":null/],
  ['method twice', '{"jsonrpc":"2.0","method":"t:hello","method":"x","id":1}', /-32600.*method.*"id":1/],
  ['invalid notification is answered', '{"jsonrpc":"2.0"}', /-32600.*"id":null/],

  // -32601 and -32001 (docs/compatibility.md, "Names")
  [
    'unknown method',
    '{"jsonrpc":"2.0","method":"get_statistic","id":1}',
    /-32601,"message":"Method not found","data":".*get_statistics/,
  ],
  ['unknown module', '{"jsonrpc":"2.0","method":"usrlok:dump","id":1}', /-32601.*usrlok/],
  ['capital letters', '{"jsonrpc":"2.0","method":"VERSION","id":1}', /-32601/],
  ['trailing blank', '{"jsonrpc":"2.0","method":"version ","id":1}', /-32601/],
  ['wrong module', '{"jsonrpc":"2.0","method":"httpd:version","id":1}', /-32601/],
  ['two colons', '{"jsonrpc":"2.0","method":"core::version","id":1}', /-32601/],
  ['colon', '{"jsonrpc":"2.0","method":":","id":1}', /-32601/],
  ['empty method', '{"jsonrpc":"2.0","method":"","id":1}', /-32601/],
  ['full name', '{"jsonrpc":"2.0","method":"core:pwd","id":1}', /"result":\{"WD"/],
  ['bare name', '{"jsonrpc":"2.0","method":"list_root_path","id":1}', /"result":\[/],
  ['3.x name', '{"jsonrpc":"2.0","method":"httpd_list_root_path","id":1}', /"result":\[/],
  ['alias', '{"jsonrpc":"2.0","method":"old_hello","id":1}', ok('1')],
  [
    'ambiguous bare name',
    '{"jsonrpc":"2.0","method":"list","id":1}',
    '{"jsonrpc":"2.0","error":{"code":-32001,"message":"Method ambiguous","data":"supported names: statistics:list, evi:list, t:list"},"id":1}',
  ],
];

describe('every envelope gets the reply that is documented', () => {
  const lifetime = suiteLifetime();
  const hello = command({ name: 'hello', aliases: ['old_hello'], help: 'Says hello.', run: () => 'Hello' });
  const list = command({ name: 'list', help: 'Makes the name ambiguous.', run: () => [] });
  let server: Server;
  beforeAll(async () => {
    server = await startServer(lifetime, { modules: [defineModule({ name: 't', commands: [hello, list] })] });
  });
  for (const [name, body, expected] of cases) {
    test(name, async () => {
      const reply = await post(server, body);
      expect(reply.status).toBe(200);
      JSON.parse(reply.body);
      if (typeof expected === 'string') expect(reply.body).toBe(expected);
      else expect(reply.body).toMatch(expected);
    });
  }
  test('invalid UTF-8 is a parse error', async () => {
    const body = Buffer.from('{"jsonrpc":"2.0","method":"t:hello","id":"\xe9"}', 'latin1');
    expect((await post(server, body)).body).toMatch(/-32700.*UTF-8/);
  });
  test('no id is held after all this', async () => {
    const { body } = await post(server, '{"jsonrpc":"2.0","method":"get_statistics","params":[["ids_held"]],"id":1}');
    expect(body).toMatch(/"mem:ids_held":0\b/);
  });
});
