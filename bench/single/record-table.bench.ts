/**
 * The costs of a record table of contacts: time to set and get, memory before and after churn, speed of a dump.
 *
 * Run: `npm run bench -- record-table [RECORDS]`
 */

import { currentSecond } from '#src/base/clock.js';
import { RecordTable } from '#src/mi/results/record-table.js';
import { type SecondsLeft, secondsLeft } from '#src/mi/results/seconds-left.js';

const count = Number(process.argv[2] ?? 1_000_000);
const rounds = 5;
const texts = { permanent: 'permanent', expired: 'expired' };
const start = currentSecond();

interface Contact {
  Contact: string;
  ContactID: string;
  Expires: number | string;
  Q: string;
  Callid: string;
  Cseq: number;
  'User-agent': string;
  Received?: string;
  State: string;
  Flags: number;
  Cflags: string;
  Socket: string;
  Methods: number;
  Attr?: string;
}

interface Location {
  AOR: string;
  Contacts: Contact[];
}

/** 15 members, one of which depends on time; about 400 bytes. `padding` makes it longer. */
function location(index: number, padding = 0) {
  const Expires: SecondsLeft = secondsLeft(start + 600 + (index % 3000), texts);
  return {
    AOR: `user${index}`,
    Contacts: [
      {
        Contact: `sip:user${index}@192.0.2.${index & 255}:5060;transport=udp`,
        ContactID: `${1_152_921_504_606_846 + index}`,
        Expires,
        Q: '1',
        Callid: `${index}-4a7b3c2d9e@192.0.2.${index & 255}`,
        Cseq: 1 + (index % 1000),
        'User-agent': `Linphone/3.6.1 (eXosip2/4.1.0)${'.'.repeat(padding)}`,
        Received: `sip:203.0.113.${index & 255}:12345`,
        State: 'CS_SYNC',
        Flags: 0,
        Cflags: 'NAT',
        Socket: 'udp:198.51.100.10:5060',
        Methods: 8063,
        Attr: 'registered by edge-1',
      },
    ],
  };
}

function line(name: string, figure: string): void {
  process.stdout.write(`${name.padEnd(44)} ${figure}\n`);
}

/** Best of several rounds, in operations per second; the values are made before the clock runs. */
function rate(name: string, operations: number, run: (index: number) => void): void {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round += 1) {
    const before = performance.now();
    for (let index = 0; index < operations; index += 1) run(index);
    best = Math.min(best, performance.now() - before);
  }
  line(
    name,
    `${Math.round((operations / best) * 1000).toLocaleString('en')} /s, ${((best / operations) * 1e6).toFixed(0)} ns`,
  );
}

function memory(name: string, table: RecordTable<Location>): void {
  const each = (bytes: number) => (bytes / table.size).toFixed(1);
  line(
    name,
    `${(table.heldBytes / table.bytes).toFixed(3)} x keys and records, ${each(table.bytes)} + ${each(table.heldBytes - table.bytes)} bytes each`,
  );
}

function resident(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

function dump(name: string, table: RecordTable<Location>): void {
  const window = new Uint8Array(65536);
  for (let round = 0; round < 3; round += 1) {
    const slices: number[] = [];
    let bytes = 0;
    const cursor = table.dump().open();
    for (let length = 1; length > 0; bytes += length) {
      const before = performance.now();
      length = cursor.fill(window);
      slices.push(performance.now() - before);
    }
    const sum = slices.reduce((total, slice) => total + slice, 0);
    slices.sort((one, other) => one - other);
    const share = (part: number) => ((slices[Math.floor(slices.length * part)] ?? 0) * 1000).toFixed(0);
    line(
      name,
      `${(bytes / sum / 1e6).toFixed(2)} GB/s; 64 KiB take p50 ${share(0.5)} us, p99 ${share(0.99)} us, max ${share(0.99999)} us`,
    );
  }
}

const some = Array.from({ length: 1000 }, (_, index) => location(index * 991));
const keys = Array.from({ length: count }, (_, index) => `user${index}@example.com`);
const keyOf = (index: number) => keys[index % count] ?? '';
const recordOf = (index: number) => some[index % 1000] ?? location(0);
line('records', `${count.toLocaleString('en')} of ${JSON.stringify(recordOf(500)).length} bytes`);

{
  const table = new RecordTable<Location>();
  const few = Math.min(count, 100_000);
  rate('JSON.stringify alone', few, (index) => void JSON.stringify(recordOf(index)));
  rate('set again, 1000 keys', few, (index) => table.set(keyOf(index % 1000), recordOf(index)));
  rate('set new keys (with clear)', few, (index) => {
    if (index === 0) table.clear();
    table.set(keyOf(index), recordOf(index));
  });
  rate('get', few, (index) => void table.get(keyOf(index)));
  rate('getJson', few, (index) => void table.getJson(keyOf(index)));
  rate('get of a missing key', few, (index) => void table.get(`${index}`));
}

const before = resident();
const table = new RecordTable<Location>();
const loading = performance.now();
for (let index = 0; index < count; index += 1) table.set(keyOf(index), recordOf(index));
line(
  'load of the whole table',
  `${Math.round((count / (performance.now() - loading)) * 1000).toLocaleString('en')} /s`,
);
memory('memory when loaded', table);
line('resident memory grew by', `${((resident() - before) / table.bytes).toFixed(3)} x keys and records`);
dump('dump when loaded', table);

const churning = performance.now();
let worst = 0;
const longer = Array.from({ length: 1000 }, (_, index) => location(index * 991, index % 60));
for (let step = 0; step < 10 * count; step += 1) {
  const key = keyOf(Math.floor(Math.random() * count));
  if (step % 3 === 0) table.delete(key);
  else table.set(key, longer[Math.floor(Math.random() * 1000)] ?? location(0));
  if (step % 50_000 === 0) worst = Math.max(worst, table.heldBytes / table.bytes);
}
for (const key of keys) if (!table.has(key)) table.set(key, recordOf(1));
line(
  'churn of ten times the table',
  `${Math.round((10 * count) / (performance.now() - churning)).toLocaleString('en')} k/s`,
);
memory('memory after churn', table);
line('worst during churn', `${worst.toFixed(3)} x`);
line('resident memory grew by', `${((resident() - before) / table.bytes).toFixed(3)} x keys and records`);
dump('dump after churn', table);
