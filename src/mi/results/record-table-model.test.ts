import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holds } from '../../../test/support/property.js';
import type { DumpCursor } from './record-table.js';
import { RecordTable } from './record-table.js';
import { secondsLeft } from './seconds-left.js';

interface Record {
  key: string;
  version: number;
  value: unknown;
  left: number | string;
}

/** A dump under way, and what may still be in it. */
interface OpenDump {
  readonly cursor: DumpCursor;
  readonly now: number;
  readonly pieces: Buffer[];
  readonly atBegin: ReadonlySet<string>;
  readonly throughout: Set<string>;
  /** Texts that each key has had since it was opened. */
  readonly versions: Map<string, Set<string>>;
}

const keys = [
  'a',
  'b',
  'ü€😀',
  '',
  '__proto__',
  'toString',
  ...Array.from({ length: 20 }, (_, index) => `user${index}`),
];
const key = fc.constantFrom(...keys);
const texts = { permanent: 'permanent', expired: 'expired' };

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('set' as const), key, value: fc.jsonValue(), time: fc.nat(99) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('setJson' as const), key, value: fc.jsonValue() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('open' as const), now: fc.nat(99) }) },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('fill' as const), dump: fc.nat(9), size: fc.integer({ min: 1, max: 300 }) }),
  },
);

class Run {
  readonly table = new RecordTable<Record>();
  /** Record and time of each key. */
  readonly model = new Map<string, { record: Record; time: number }>();
  readonly dumps: OpenDump[] = [];
  version = 0;

  set(key: string, value: unknown, time: number, asJson: boolean): void {
    this.version += 1;
    const record = { key, version: this.version, value: JSON.parse(JSON.stringify(value)), left: 'permanent' };
    if (asJson) this.table.setJson(key, Buffer.from(JSON.stringify(record, undefined, 2)));
    else this.table.set(key, { ...record, left: secondsLeft(time, texts) });
    this.model.set(key, { record, time });
    for (const dump of this.dumps) this.#note(dump, key);
  }

  delete(key: string): void {
    expect(this.table.delete(key)).toBe(this.model.delete(key));
    for (const { throughout } of this.dumps) throughout.delete(key);
  }

  open(now: number): void {
    const present = [...this.model.keys()];
    const dump = {
      cursor: this.table.dump().open(now),
      now,
      pieces: [],
      atBegin: new Set(present),
      throughout: new Set(present),
      versions: new Map<string, Set<string>>(),
    };
    for (const key of present) this.#note(dump, key);
    this.dumps.push(dump);
  }

  fill(number: number, size: number): void {
    const index = number % this.dumps.length;
    const dump = this.dumps[index];
    if (dump === undefined) return;
    const window = new Uint8Array(size);
    const length = dump.cursor.fill(window);
    dump.pieces.push(Buffer.from(window.subarray(0, length)));
    if (length > 0) return;
    this.dumps.splice(index, 1);
    check(dump);
  }

  #note(dump: OpenDump, key: string): void {
    const versions = dump.versions.get(key) ?? new Set();
    dump.versions.set(key, versions.add(this.printed(key, dump.now)));
  }

  /** The record as it must be at a time. */
  printed(key: string, now: number): string {
    const known = this.model.get(key);
    if (known === undefined) return 'none';
    const { record, time } = known;
    return JSON.stringify({ ...record, left: time === 0 ? 'permanent' : time > now ? time - now : 'expired' });
  }
}

function check({ pieces, atBegin, throughout, versions }: OpenDump): void {
  const records = JSON.parse(Buffer.concat(pieces).toString()) as Record[];
  const seen = new Set(records.map((record) => record.key));
  expect(seen.size, 'each record once').toBe(records.length);
  for (const key of throughout) expect(seen.has(key), `${key} was there throughout`).toBe(true);
  for (const record of records) {
    expect(atBegin.has(record.key), `${record.key} is new`).toBe(true);
    expect(versions.get(record.key)?.has(JSON.stringify(record)), `${record.key} as it once was`).toBeTruthy();
  }
}

test('a table is a map, whatever is dumped meanwhile', () => {
  holds(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      const run = new Run();
      for (const now of steps) {
        if (now.do === 'set') run.set(now.key, now.value, now.time, false);
        else if (now.do === 'setJson') run.set(now.key, now.value, 0, true);
        else if (now.do === 'delete') run.delete(now.key);
        else if (now.do === 'open') run.open(now.now);
        else run.fill(now.dump, now.size);
      }
      while (run.dumps.length > 0) run.fill(0, 100);
      expect([...run.table.keys()].sort()).toStrictEqual([...run.model.keys()].sort());
      for (const key of keys) {
        const got = run.table.get(key);
        expect(got === undefined ? 'none' : JSON.stringify(got)).toBe(run.printed(key, Date.now() / 1000));
      }
    }),
    { runs: 300 },
  );
});
