// Starts and closes servers in a process of its own, and tells which of their objects are still there.
import { copyFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { command, createServer, defineModule, RecordTable } from '#src/index.js';
import { engineOptions } from '../engine.js';

/** Certificates, given as arguments; `live` is the one to listen with. */
const [one = '', two = '', live = ''] = process.argv.slice(2);
const nothing = (): void => {};
const log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** How many objects of each sort have not been collected. */
const kept: Record<string, number> = {};
const registry = new FinalizationRegistry<string>((sort) => {
  kept[sort] = (kept[sort] ?? 0) - 1;
});

function note(sort: string, object: object): void {
  kept[sort] = (kept[sort] ?? 0) + 1;
  registry.register(object, sort);
}

function use(certificate: string): void {
  for (const end of ['.pem', '.key']) copyFileSync(certificate + end, live + end);
}

/** Calls a command, and leaves without another word. */
function call(port: number, isTls: boolean, method = 'kept:dump'): Promise<void> {
  const body = `{"jsonrpc":"2.0","method":"${method}","id":1}`;
  return new Promise((resolve, reject) => {
    const socket = isTls ? connectTls({ port, rejectUnauthorized: false }) : connect(port, '127.0.0.1');
    socket.on('error', reject);
    socket.on('close', () => resolve());
    socket.on('data', () => socket.destroy());
    socket.write(
      `POST /mi HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
  });
}

async function cycle(): Promise<void> {
  const table = new RecordTable();
  for (let n = 0; n < 2000; n++) table.set(`user${n}`, { AOR: `user${n}` });
  const module = defineModule({
    name: 'kept',
    load: () => ({ commands: [command({ name: 'dump', help: 'Gives the table.', run: () => table.dump() })] }),
  });
  use(one);
  const access = 'auth=off;level=admin';
  const listen = [`http:127.0.0.1:0;${access}`, `https:127.0.0.1:0;cert=${live}.pem;key=${live}.key;${access}`];
  const server = await createServer({
    ...engineOptions,
    log,
    modules: [module],
    httpd: { listen },
    usrloc: {},
    cachedb_local: {},
  }).start();
  note('servers', server);
  note('modules', module);
  note('tables', table);
  if (server.usrloc !== undefined) note('location services', server.usrloc);
  const [plain = 0, secure = 0] = new Set(server.urls.map((url) => Number(new URL(url).port)));
  await call(plain, false);
  // A short reply, whose exchange waits to serve another.
  await call(plain, false, 'version');
  await call(secure, true);
  use(two);
  if (server.reloadTls()[0]?.outcome !== 'reloaded') throw new Error('the certificate was not replaced');
  await call(secure, true);
  await server.close();
}

for (let n = 0; n < 4; n++) await cycle();
for (let n = 0; n < 50 && Object.values(kept).some((count) => count > 0); n++) {
  globalThis.gc?.();
  await delay(20);
}
process.stdout.write(JSON.stringify(kept));
