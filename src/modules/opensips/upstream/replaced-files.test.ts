// A folder of replies that others write to: what is put in the place of a reply FIFO or a socket keeps its mode and group.
import {
  chownSync,
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { node, reading } from '../../../../test/support/upstream.js';
import { makeFifo } from '../../../native/datagrams.js';

let victim = '';

vi.mock('../../../native/datagrams.js', async (original) => {
  const real = await original<typeof import('../../../native/datagrams.js')>();
  return {
    ...real,
    // As if another program had been faster: its link stands where the FIFO was made.
    makeFifo: (path: string, mode: number) => {
      if (victim === '') real.makeFifo(path, mode);
      else symlinkSync(victim, path);
    },
  };
});

test.skipIf(process.getuid?.() !== 0)(
  'the target of a link in the place of a reply FIFO is left as it is',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-replaced-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const fifo = join(folder, 'fifo');
    makeFifo(fifo, 0o660);
    // Held open, as OpenSIPS holds it.
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    onTestFinished(() => closeSync(reader));
    chownSync(fifo, 12345, 12345);
    const file = join(folder, 'victim');
    writeFileSync(file, 'secret', { mode: 0o600 });
    victim = file;
    const upstream = node([`fifo:${fifo};reply_dir=${folder}/`]);
    onTestFinished(() => upstream.close());
    await expect(upstream.call(reading('version'))).rejects.toMatchObject({ kind: 'down' });
    const { mode, gid } = statSync(file);
    expect([mode & 0o777, gid]).toStrictEqual([0o600, process.getgid?.()]);
  },
);
