// Connections that end without a request: the engine refuses by itself what it cannot read, and they are counted.
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect } from 'vitest';
import { answers } from '../support/engine.js';
import { root } from '../support/http-server.js';
import { test } from '../support/test.js';

const get = (path: string, more = ''): string => `GET /t${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;
const close = 'Connection: close\r\n';

/** What is sent, and whether it is a request. */
const sendings: Readonly<Record<string, readonly [sent: string, isRequest: boolean]>> = {
  'HTTP/1.0': ['GET /t HTTP/1.0\r\n\r\n', answers.http10 === 200],
  'no Host': ['GET /t HTTP/1.1\r\n\r\n', false],
  'a head that is too large': [get('', `X: ${'x'.repeat(40_000)}\r\n`), false],
  nothing: ['', false],
  'half a head': ['GET /t HT', false],
  'a reply': [get(''), true],
  'a reply that closes': [get('', close), true],
  'a later reply that closes': [get('/later', close), true],
  'a reply without a body': [get('/empty'), true],
  'a reply to HEAD': [get('').replace('GET', 'HEAD'), true],
  'a reply to HEAD that closes': [get('', close).replace('GET', 'HEAD'), true],
  'a stream': [get('/stream', close), true],
  'no reply': [get('/never'), true],
  'a failure on the way': [get('/cut'), true],
  'a refusal': [get('x'), true],
  'a refusal that closes': ['POST /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n', true],
  'a refusal of HEAD that closes': ['HEAD /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n', true],
};

for (const [name, [sent, isRequest]] of Object.entries(sendings)) {
  test(`a connection with ${name} is ${isRequest ? 'not ' : ''}counted`, async ({ start }) => {
    const { port, counter, log, until } = await start([
      root({
        onRequest: (exchange) => {
          const { path } = exchange;
          if (path === '/later') setImmediate(() => exchange.reply(200, 'later'));
          else if (path === '/empty') exchange.reply(200);
          else if (path === '/stream' || path === '/cut') exchange.flush(200);
          else if (path !== '/never') exchange.reply(200, 'ok');
        },
        onFlush: ({ path }, position) => {
          if (path === '/cut' && position > 0) throw new Error('it fails');
          return position === 0 ? Buffer.from('some') : null;
        },
      }),
    ]);
    for (let n = 1; n <= 3; n++) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(sent);
      await once(socket, 'connect');
      await until(() => counter('connections_total') === n);
      if (isRequest) await until(() => counter('requests') === n);
      // Of what is answered the answer, of all else the end.
      if (/reply|refusal|HTTP|Host|large/.test(name) && name !== 'no reply') await once(socket, 'data');
      socket.destroy();
      await until(() => counter('connections') === 0);
      expect(counter('engine_refusals')).toBe(isRequest ? 0 : n);
    }
    const lines = (): number => log.filter(({ message }) => /without a request/.test(message)).length;
    if (!isRequest) await until(() => lines() > 0);
    expect(lines(), 'told once a minute').toBe(isRequest ? 0 : 1);
  });
}
