import { randomBytes } from 'node:crypto';
import { rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeFifo, UnixDatagrams } from './datagrams.js';

const abstract = (): string => `@mi-httpd-test-${randomBytes(8).toString('hex')}`;

test.skipIf(process.platform !== 'linux')('datagrams of the file system come in order, and are answered', async () => {
  const [name, own] = [abstract(), abstract()];
  const server = new UnixDatagrams(name, (datagram, sender) => server.sendTo(datagram, sender()));
  const came: string[] = [];
  let isComplete = (): void => {};
  const complete = new Promise<void>((resolve) => {
    isComplete = resolve;
  });
  const client = new UnixDatagrams(own, (datagram) => {
    came.push(Buffer.from(datagram).toString());
    if (came.length === 3) isComplete();
  });
  client.connect(name);
  for (const text of ['one', 'two', 'three']) expect(client.send(Buffer.from(text))).toBe(true);
  await complete;
  expect(came).toEqual(['one', 'two', 'three']);
  server.close();
  client.close();
  client.close();
  expect(() => client.send(Buffer.from('late'))).toThrow('the socket is closed');
  expect(() => new UnixDatagrams('/nowhere/at/all', () => {})).toThrow(/No such file/);
});

test.skipIf(process.platform !== 'linux')('a FIFO is made once', () => {
  const path = join(tmpdir(), `mi-httpd-fifo-${randomBytes(8).toString('hex')}`);
  makeFifo(path, 0o600);
  expect(statSync(path).isFIFO()).toBe(true);
  expect(() => makeFifo(path, 0o600)).toThrow(/File exists/);
  rmSync(path);
});
