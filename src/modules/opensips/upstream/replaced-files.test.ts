// A folder of replies that others write to: what is put in the place of a reply FIFO or a socket keeps its mode and group.
import fs, {
  chownSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { node, reading } from '../../../../test/support/upstream.js';
import { makeFifo } from '../../../native/datagrams.js';

const { openSync } = fs;

/** Puts a link in the place of what is opened in a folder, as if another program had been faster. @returns the links */
function replaceOpened(folder: string, target: string): readonly string[] {
  const links: string[] = [];
  fs.openSync = (path, ...rest) => {
    if (typeof path === 'string' && path.startsWith(folder)) {
      unlinkSync(path);
      symlinkSync(target, path);
      links.push(path);
    }
    return openSync(path, ...rest);
  };
  syncBuiltinESMExports();
  onTestFinished(() => {
    fs.openSync = openSync;
    syncBuiltinESMExports();
  });
  return links;
}

test.skipIf(process.getuid?.() !== 0)(
  'the target of a link in the place of a reply FIFO is left as it is',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-replaced-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const fifo = join(folder, 'fifo');
    const replies = join(folder, 'replies/');
    mkdirSync(replies);
    makeFifo(fifo, 0o660);
    // Held open, as OpenSIPS holds it.
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    onTestFinished(() => closeSync(reader));
    chownSync(fifo, 12345, 12345);
    const file = join(folder, 'victim');
    writeFileSync(file, 'secret', { mode: 0o600 });
    const links = replaceOpened(replies, file);
    const upstream = node([`fifo:${fifo};reply_dir=${replies}`]);
    onTestFinished(() => upstream.close());
    await expect(upstream.call(reading('version'))).rejects.toMatchObject({ kind: 'down' });
    expect(links).not.toStrictEqual([]);
    const { mode, gid } = statSync(file);
    expect([mode & 0o777, gid]).toStrictEqual([0o600, process.getgid?.()]);
  },
);
