// Requests that are complete only when the modules stop: no handler runs any more, whatever face they come to.
import { readFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { command, defineModule } from '#src/index.js';
import { post, withResolvers } from '../support/mi-client.js';
import { RawClient } from '../support/raw-client.js';
import { test } from '../support/test.js';

interface Face {
  readonly name: string;
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: string;
  /** Status of the reply; a batch has one for each of its calls. */
  readonly status: number;
}

const json = ['Content-Type: application/json'];
const form = ['Content-Type: application/x-www-form-urlencoded', 'Sec-Fetch-Site: same-origin'];
const call = '{"jsonrpc":"2.0","method":"late:run","id":1}';

const faces: readonly Face[] = [
  { name: 'a single call', path: '/mi', headers: json, body: call, status: 503 },
  { name: 'a notification', path: '/mi', headers: json, body: '{"jsonrpc":"2.0","method":"late:run"}', status: 503 },
  { name: 'a batch', path: '/mi', headers: json, body: `[${call},${call}]`, status: 200 },
  {
    name: 'a page',
    path: '/mi/late/late:run',
    headers: form,
    body: 'arg=%5B%5D',
    status: 503,
  },
  {
    name: 'a raw result',
    path: '/mi/late/late:run?raw',
    headers: form,
    body: 'arg=%5B%5D',
    status: 503,
  },
  { name: 'a call of mi_json', path: '/json/late:run', headers: [], body: '', status: 503 },
];

describe('after the stop', () => {
  for (const { name, path, headers, body, status } of faces) {
    test(`${name} runs nothing`, async ({ temporaryFile, startServer, onTestFinished }) => {
      let runs = 0;
      const stopped = withResolvers<void>();
      const goOn = withResolvers<void>();
      const late = defineModule({
        name: 'late',
        commands: [
          command({
            name: 'run',
            help: 'Counts.',
            run: () => {
              runs += 1;
              return 'OK';
            },
          }),
        ],
        load: () => ({
          stop: () => {
            stopped.resolve();
            return goOn.promise;
          },
        }),
      });
      const file = temporaryFile('audit.log', '');
      const server = await startServer({ httpd: { audit_file: file }, mi_json: {}, modules: [late] });
      const client = await RawClient.connect(server.port);
      const method = body === '' ? 'GET' : 'POST';
      const head = [`${method} ${path} HTTP/1.1`, 'Host: localhost', ...headers];
      if (body !== '') head.push(`Content-Length: ${body.length}`);
      const request = `${head.join('\r\n')}\r\n\r\n${body}`;
      const first = request.length - 2;
      client.send(request.slice(0, first));
      // The server has it when it has answered another connection twice.
      for (let round = 0; round < 2; round++) {
        await post(server, '{"jsonrpc":"2.0","method":"version","id":1}');
      }
      const closed = server.close({ deadline: 0 });
      await stopped.promise;
      client.send(request.slice(first));
      onTestFinished(() => goOn.resolve());
      if (body !== '') {
        const reply = await client.response();
        expect(reply.status, reply.body.toString()).toBe(status);
        expect(reply.body.toString()).toMatch(/the server stops/);
      }
      goOn.resolve();
      await closed;
      // Refused, or closed as an idle connection: a request without a body is none before its end.
      expect(runs).toBe(0);
      expect(readFileSync(file, 'utf8')).not.toMatch(/late:run/);
    });
  }
});
