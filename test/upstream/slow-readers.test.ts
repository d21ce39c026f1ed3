// A long reply of OpenSIPS whose client does not read: what the process takes for it.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'vitest';
import { mi } from '../support/daemon.js';
import { count, isLong } from '../support/long.js';
import { startDouble } from '../support/opensips-double/child.js';
import { test } from '../support/test.js';

/** Bytes of the User-Agent of each contact. */
const agent = 3900;

/** Contacts of 20 MB, or 100 MB. */
const contacts = count(4900, 24_500);

/** Bytes of one reply that wait in memory for its client, and those of all that may be on the way to files. */
const memory = 1 << 20;
const onTheWay = 7 << 20;

/** Bytes of a reply that are on the way to its client, who does not read. */
const buffers = 8 << 20;

/** Bytes that the process may take while four times 100 MB wait: 9 to 12 MB were seen. */
const growth = 24 << 20;

interface Figures {
  readonly inMemory: number;
  readonly inFiles: number;
  readonly resident: number;
}

const body = '{"jsonrpc":"2.0","method":"ul_dump","id":1}';
const request = `POST /mi HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

test('dumps by FIFO wait in files while their clients do not read', async ({ lifetime, startDaemon }) => {
  const sip = await startDouble({
    version: '3.4',
    transports: ['fifo', 'udp'],
    contacts,
    userAgent: 'x'.repeat(agent),
  });
  lifetime.onTestFinished(() => sip.close());
  const { fifo, udp } = sip.transports;
  const input = 'loadmodule "httpd.so"\nloadmodule "mi_http.so"\n';
  const daemon = await startDaemon(['-f', '-', '-p', '0', `--opensips=${fifo}`, '--opensips', udp], { input });
  await expect.poll(() => mi(daemon.url, 'which')).toMatchObject({ result: expect.arrayContaining(['ul_dump']) });
  const figures = async (): Promise<Figures> => {
    const names = ['opensips:replies_in_memory', 'opensips:replies_in_files', 'mem:resident'];
    const wanted = names.map((name) => name.slice(name.indexOf(':') + 1));
    const { result } = await mi(daemon.url, 'get_statistics', [wanted]);
    const [inMemory = -1, inFiles = -1, resident = -1] = names.map((name) => (result as Record<string, number>)[name]);
    return { inMemory, inFiles, resident };
  };
  const before = await figures();
  expect(before).toMatchObject({ inMemory: 0, inFiles: 0 });
  const most = { ...before };
  const clients: Socket[] = [];
  for (let replies = 1; replies <= count(1, 4); replies += 1) {
    const client = connect({ port: daemon.port, host: '127.0.0.1' });
    clients.push(client);
    await once(client, 'connect');
    // Nothing of it is read: the socket has no reader.
    client.write(request);
    const isThere = async (): Promise<number> => {
      const last = await figures();
      for (const name of ['inMemory', 'resident'] as const) most[name] = Math.max(most[name], last[name]);
      return last.inFiles;
    };
    await expect.poll(isThere, { timeout: 120_000 }).toBeGreaterThan(replies * (contacts * agent - memory - buffers));
  }
  expect(most.inMemory).toBeLessThanOrEqual(clients.length * memory + onTheWay);
  await expect.poll(async () => (await figures()).inMemory).toBeLessThanOrEqual(clients.length * memory);
  // One reply does not tell what is collected late from what is kept.
  if (isLong) expect(most.resident - before.resident).toBeLessThan(growth);
  for (const client of clients) client.destroy();
  await expect.poll(figures).toMatchObject({ inMemory: 0, inFiles: 0 });
});
