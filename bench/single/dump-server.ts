// The servers that dump.bench.ts measures, each in a process of its own: `ours CONTACTS`, a server whose usrloc has that many
// contacts, `bare BYTES`, the engine alone streaming a constant buffer in chunks of the same size and manner, or
// `large BYTES`, the same in writes of 64 KiB, of which the engine loses some where a reader is slow.
// With `CERTIFICATE KEY` behind it, over TLS, with the same suites.
import { createServer } from 'mi-httpd';
import { loadUws } from '#src/http/engine/uws/loader.js';
import { writeSizesOf } from '#src/http/engine/uws/response.js';
import type { UwsResponse } from '#src/http/engine/uws/types.js';
import { defaultCiphers, readCiphers } from '#src/http/tls/ciphers.js';
import { engineList } from '#src/http/tls/suites.js';
import { saveContacts } from '../peers/contacts.js';

/** Where the bare engine answers with a constant. */
const constantPath = '/constant';

const [kind = 'ours', amount = '0', certFile, keyFile] = process.argv.slice(2);

if (kind === 'ours') await serveContacts(Number(amount));
else await serveConstant(Number(amount), kind === 'large');

async function serveContacts(contacts: number): Promise<void> {
  const tls = { tls_cert_file: certFile, tls_key_file: keyFile };
  const server = createServer({ httpd: { ip: '127.0.0.1', port: 0, ...tls }, usrloc: {} });
  if (server.usrloc !== undefined) saveContacts(server.usrloc.domain('location'), contacts);
  await server.start();
  process.stdout.write(`${server.port}\n`);
}

async function serveConstant(bytes: number, isLarge: boolean): Promise<void> {
  const { uws, version } = await loadUws();
  const sizes = writeSizesOf(version);
  const part = isLarge ? 65536 : sizes.part;
  const chunk = Buffer.alloc(part, 'x');
  const parts = isLarge ? 1 : sizes.chunk / part;
  const ssl_ciphers = engineList(readCiphers(defaultCiphers));
  const app =
    certFile === undefined || keyFile === undefined
      ? uws.App()
      : uws.SSLApp({ cert_file_name: certFile, key_file_name: keyFile, ssl_ciphers });
  // Not of the length of ours, but as small: what a small command costs beside a dump that costs nothing.
  app.any(constantPath, (response: UwsResponse) => {
    response.end('{"jsonrpc":"2.0","result":"OK","id":1}');
  });
  app.any('/*', (response: UwsResponse) => {
    let left = bytes;
    let state: 'moving' | 'blocked' | 'over' = 'moving';
    const turn = (): void => {
      if (state === 'over') return;
      state = 'moving';
      for (let n = 0; n < parts && state === 'moving'; n++) {
        response.cork(() => {
          if (left === 0) {
            state = 'over';
            response.end();
            return;
          }
          const piece = left < chunk.length ? chunk.subarray(0, left) : chunk;
          left -= piece.length;
          if (!response.write(piece)) state = 'blocked';
        });
      }
      if (state === 'moving') setImmediate(turn);
    };
    response.onAborted(() => {
      state = 'over';
    });
    response.onWritable(() => {
      if (state === 'blocked') setImmediate(turn);
      return true;
    });
    setImmediate(turn);
  });
  app.listen('127.0.0.1', 0, 0, (socket) => {
    if (socket !== false) process.stdout.write(`${uws.us_socket_local_port(socket)}\n`);
  });
}
