// What arrives of replies to requests that come in one piece, of which one is refused.
import { expect } from 'vitest';
import { basic, userLine } from '../support/accounts.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';

const body = '{"jsonrpc":"2.0","method":"version","id":1}';
const alice = basic('alice', 'pw');

function call(authorization: string, more = `Content-Length: ${body.length}\r\n`, sent = body): string {
  return `POST /mi HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nContent-Type: application/json\r\n${more}\r\n${sent}`;
}

const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
const refused: Readonly<Record<string, readonly [sent: string, status: number]>> = {
  'a wrong password': [call(basic('alice', 'no')), 401],
  'no password': [`GET /mi HTTP/1.1\r\nHost: a\r\n\r\n`, 401],
  'a bad coding': [call(alice, 'Transfer-Encoding: gzip\r\n', ''), 400],
  'a coding in another case': [call(alice, 'Transfer-Encoding: Chunked\r\n', chunked), 200],
};

for (const [name, [sent, status]] of Object.entries(refused)) {
  test(`a reply arrives though ${name} follows in the same piece`, async ({ temporaryFile, startServer }) => {
    const auth_file = temporaryFile('users', userLine('alice', 'pw', 'read'));
    const { port } = await startServer({ httpd: { auth_file } });
    const first = await RawClient.connect(port);
    first.send(call(alice));
    expect((await first.response()).status, 'who is known is answered at once').toBe(200);
    first.close();
    const client = await RawClient.connect(port);
    client.send(call(alice) + sent);
    expect((await client.response()).status).toBe(200);
    expect((await client.response()).status).toBe(status);
    expect((await client.rest()).length, 'closed').toBe(0);
  });
}
