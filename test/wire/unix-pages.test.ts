// Pages and calls by a Unix socket, where clients put anything into Host: the path, nothing, a name of their own.
import { once } from 'node:events';
import { request } from 'node:http';
import { describe, expect } from 'vitest';
import { createServer } from '#src/index.js';
import { ask } from '../support/raw-client.js';
import { test } from '../support/test.js';
import { unless } from '../support/unless.js';

unless(process.platform === 'win32', describe)('pages by a Unix socket', () => {
  for (const Host of ['socket', 'mi.example.org', '/run/mi.sock', 'a b']) {
    test(`Host: ${Host}`, async ({ files, onTestFinished }) => {
      const socketPath = files.path('mi.sock');
      const server = createServer({ httpd: { listen: [`unix:${socketPath}`] }, mi_json: {} });
      await server.start();
      onTestFinished(() => server.close({ deadline: 0 }));
      for (const path of ['/', '/mi', '/mi/core/core:version', '/json/uptime']) {
        const sent = request({ socketPath, path, agent: false, headers: { Host } });
        sent.end();
        const [response] = await once(sent, 'response');
        response.resume();
        expect(response.statusCode, path).toBe(200);
      }
    });
  }

  test('by TCP such a name is refused', async ({ startServer }) => {
    const server = await startServer();
    const { status } = await ask(server.port, 'GET', '/mi', undefined, []);
    expect(status).toBe(403);
  });
});
