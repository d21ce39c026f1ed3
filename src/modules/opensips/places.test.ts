import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeFifo } from '../../native/datagrams.js';
import { findPlaces } from './places.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mi-httpd-places-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function fifo(name: string, mode = 0o660): string {
  const path = join(folder, name);
  makeFifo(path, 0o600);
  chmodSync(path, mode);
  return path;
}

const uid = process.geteuid?.() ?? 0;
const http = 'http://127.0.0.1:8888/mi';

describe('the default places', () => {
  test('have FIFOs first, in their order, then HTTP', () => {
    const [first, second] = [fifo('a'), fifo('b')];
    expect(findPlaces([join(folder, 'none'), first, second])).toStrictEqual({
      transports: [`fifo:${first};owner=${uid}`],
      passedOver: [],
    });
    expect(findPlaces([join(folder, 'none')])).toStrictEqual({ transports: [http], passedOver: [] });
  });

  test('pass over what another user may have made, or may read or write, and tell why', () => {
    const good = fifo('good');
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const link = join(folder, 'link');
    symlinkSync(good, link);
    const { transports, passedOver } = findPlaces([file, link, fifo('w', 0o622), fifo('r', 0o664), good]);
    expect(transports).toStrictEqual([`fifo:${good};owner=${uid}`]);
    expect(passedOver.map(({ reason }) => reason)).toStrictEqual([
      'it is no FIFO',
      'it is a symbolic link',
      'every user of this system may write to it',
      'every user of this system may read what is sent to it',
    ]);
  });

  test.runIf(uid === 0)('take that of another user only in a folder of that user', () => {
    const path = fifo('a');
    chownSync(path, 12345, 12345);
    chmodSync(folder, 0o1777);
    expect(findPlaces([path])).toStrictEqual({
      transports: [http],
      passedOver: [
        { place: path, reason: expect.stringContaining('its owner, user 12345, is neither root nor opensips') },
      ],
    });
    const own = join(folder, 'own');
    mkdirSync(own);
    chownSync(own, 12345, 12345);
    chmodSync(own, 0o755);
    const inside = fifo('own/fifo');
    chownSync(inside, 12345, 12345);
    expect(findPlaces([inside])).toStrictEqual({ transports: [`fifo:${inside};owner=12345`], passedOver: [] });
  });
});
