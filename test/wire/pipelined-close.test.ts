// Requests behind the one that a client asks to be the last, in one piece: dropped or served, nothing of them stays.
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect } from 'vitest';
import { createServer, type Server } from '#src/index.js';
import '../support/at-rest.js';
import { pipelinesLittle } from '../support/engine.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

const connections = 20;
const body = '{"jsonrpc":"2.0","method":"version","id":1}';

function call(more = '', sent = body): string {
  return `POST /mi HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n${more}Content-Length: ${sent.length}\r\n\r\n${sent}`;
}

const all = call('', '{"jsonrpc":"2.0","method":"get_statistics","params":[["all"]],"id":1}');

const last = 'Connection: close\r\n';
const page = 'GET /mi HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';

/** What is sent, and how many replies it has at least; of threads those that they make by themselves. */
const pieces: Readonly<Record<string, readonly [sent: string, replies: number]>> = {
  'a call behind the last, behind a page': [page + call(last) + call(), 2],
  'a page behind the last, behind a page': [page + call(last) + page, 2],
  'calls behind the last, behind a page': [page + call(last) + call() + call(), 2],
  'a call behind the last page': [page.replace('\r\n\r\n', `\r\n${last}\r\n`) + call(), 1],
  'a call behind the last of many': [all.repeat(12) + call(last) + call(), 13],
  'a call behind the last': [call(last) + call(), 1],
  'nothing behind the last, behind a page': [page + call(last), 2],
};

/** Sends a piece and reads until the server closes, or the client has so many replies: a client that sends more behind the last may go on. */
async function replies(server: Server, path: string | undefined, sent: string, due: number): Promise<number> {
  const socket = path === undefined ? connect(server.port, '127.0.0.1') : connect(path);
  let text = '';
  const count = (): number => text.split('HTTP/1.1 200 OK\r\n').length - 1;
  socket.setEncoding('latin1').on('data', (piece) => {
    text += piece;
    if (count() > due) socket.end();
  });
  socket.on('error', () => {});
  socket.write(sent);
  await once(socket, 'close');
  return count();
}

for (const kind of ['TCP', 'a Unix socket']) {
  const isUnix = kind !== 'TCP';
  unless(isUnix && process.platform === 'win32', describe)(`by ${kind}`, () => {
    for (const [name, [sent, due]] of Object.entries(pieces)) {
      // Behind pages and computed statistics, which come from another thread, nothing is served in the same piece.
      const isBehind = sent.startsWith(page) || sent.startsWith(all) || name === 'a call behind the last page';
      unless(isBehind && pipelinesLittle, test)(name, async ({ files, onTestFinished }) => {
        const path = files.path('mi.sock');
        const server = createServer({ httpd: { listen: ['http:127.0.0.1:0', ...(isUnix ? [`unix:${path}`] : [])] } });
        await server.start();
        onTestFinished(() => server.close({ deadline: 0 }));
        for (let i = 0; i < connections; i++) {
          expect(await replies(server, isUnix ? path : undefined, sent, due)).toBeGreaterThanOrEqual(due);
        }
        await expect(server).toBeAtRest();
      });
    }
  });
}
