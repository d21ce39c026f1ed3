// What the JSON grammar accepts and refuses, from the socket to the command and back: as a parameter, and as a body.
import { readFileSync } from 'node:fs';
import { afterAll, assert, beforeAll, describe, expect, test } from 'vitest';
import { command, createServer, defineModule, type Server } from '#src/index.js';
import { type Repeated, spell } from '../support/conformance/recording.js';
import { RawClient } from '../support/raw-client.js';

/** One text; `y_` has to be accepted, `n_` refused, `i_` is left to the implementation, see `outcome`. */
interface GrammarCase {
  readonly name: string;
  /** Section of RFC 8259. */
  readonly section: string;
  readonly text?: string;
  readonly base64?: string;
  readonly parts?: Repeated;
  /** Rejected: it is JSON, but no value of a parameter. */
  readonly outcome?: 'accepted' | 'rejected' | 'refused';
  /** What comes back of an accepted value, where it is not what ECMAScript makes of it. */
  readonly result?: string;
  readonly why?: string;
  /** Within an array it would be another text: sent as a body alone. */
  readonly only?: 'body';
}

const cases = JSON.parse(readFileSync('test/conformance/json-grammar.json', 'utf8')) as readonly GrammarCase[];

const echo = defineModule({
  name: 'grammar',
  commands: [
    command({
      name: 'echo',
      help: 'Gives back its parameter.',
      readOnly: true,
      recipes: [{ value: 'json' }],
      run: ({ value }) => value,
    }),
  ],
});

describe('the JSON grammar (RFC 8259) through a socket', () => {
  let server: Server | undefined;
  let client: RawClient | undefined;

  beforeAll(async () => {
    const httpd = { ip: '127.0.0.1', port: 0 };
    server = await createServer({ httpd, mi_http: { max_values: 100_000 }, modules: [echo] }).start();
    client = await RawClient.connect(server.port);
  });
  afterAll(async () => {
    client?.close();
    await server?.close({ deadline: 0 });
  });

  async function post(body: Buffer): Promise<string> {
    assert(client !== undefined);
    const reply = await client.ask('POST', '/mi', body, ['Content-Type: application/json']);
    return `${reply.status} ${reply.text}`;
  }

  test('has cases of every kind for every section', () => {
    for (const section of ['2', '3', '4', '5', '6', '7', '8.1', '8.2', '9']) {
      expect(
        cases.some((one) => one.section === section),
        section,
      ).toBe(true);
    }
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
    for (const { name, outcome, why } of cases) {
      expect(name).toMatch(/^[yni]_/);
      expect(outcome !== undefined && why !== undefined, `${name}: outcome and why`).toBe(name.startsWith('i_'));
    }
  });

  for (const one of cases) {
    const text = bytesOf(one);
    const isAccepted = one.outcome === 'accepted' || one.name.startsWith('y_');
    if (one.only === undefined) {
      test(`${one.name} as a parameter`, async () => {
        const reply = await post(
          Buffer.concat([Buffer.from('{"jsonrpc":"2.0","method":"echo","params":['), text, Buffer.from('],"id":1}')]),
        );
        if (isAccepted) expect(reply).toBe(`200 {"jsonrpc":"2.0","result":${resultOf(one, text)},"id":1}`);
        else expect(reply).toMatch(one.outcome === 'rejected' ? invalidParams : parseError);
      });
    }
    test(`${one.name} as a body`, async () => {
      const reply = await post(text);
      if (isAccepted || one.outcome === 'rejected') expect(reply).toMatch(invalidRequest);
      else if (text.length === 0) expect(reply).toMatch(/^400 \{"jsonrpc":"2\.0","error":\{"code":-32600,/);
      else expect(reply).toMatch(parseError);
    });
  }
});

const parseError =
  /^200 \{"jsonrpc":"2\.0","error":\{"code":-32700,"message":"Parse error","data":"[^"]+"\},"id":null\}$/;

const invalidParams = /^200 \{"jsonrpc":"2\.0","error":\{"code":-32602,"message":"Invalid params","data":"half of a/;

/** A value is no request; an array may be taken for a batch, each element of which then is none. */
const invalidRequest = /^200 \[?\{"jsonrpc":"2\.0","error":\{"code":-32600,"message":"Invalid Request","data":/;

function bytesOf({ text, base64, parts }: GrammarCase): Buffer {
  if (base64 !== undefined) return Buffer.from(base64, 'base64');
  return Buffer.from(text ?? spell(parts ?? ''));
}

function resultOf({ result }: GrammarCase, text: Buffer): string {
  return result ?? JSON.stringify(JSON.parse(text.toString('utf8')));
}
