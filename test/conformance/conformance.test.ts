// Every exchange that was recorded with the original is replayed, and comes out identical, or as a row of the table of
// differences says, from which docs/compatibility.md is made.
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import type { Server } from '#src/server.js';
import { makeTlsFiles } from '../support/conformance/certificate.js';
import { commandNames } from '../support/conformance/commands.js';
import { type Difference, readDifferences } from '../support/conformance/differences.js';
import { readRecordings } from '../support/conformance/recording.js';
import { counts, type Result, replayAll } from '../support/conformance/runner.js';
import { prepare, startPrepared, type TlsFiles } from '../support/conformance/servers.js';
import { isNode } from '../support/engine.js';
import { test } from '../support/test.js';

const table = readDifferences();
const recordings = readRecordings();

describe('replay of the recordings', () => {
  let results: readonly Result[] = [];
  let files: TlsFiles | undefined;

  beforeAll(async () => {
    files = await makeTlsFiles();
    results = await replayAll(recordings, table, files);
  });
  afterAll(() => files && rm(files.place, { recursive: true }));

  test('every exchange is identical, different on purpose or not applicable', ({ annotate }) => {
    expect(results.length).toBe(recordings.length);
    const lines = Object.entries(counts(results)).map(([outcome, count]) => `${outcome} ${count}`);
    annotate(`${results.length} exchanges: ${lines.join(', ')}`);
    for (const [lacking, count] of reasons(results)) annotate(`not applicable: ${lacking}: ${count}`);
    const failing = results.filter(({ outcome }) => outcome === 'failing');
    const texts = failing.map(({ recording: { version, name }, problems }) => [`${version} ${name}`, ...problems]);
    expect(texts, 'an unlisted difference: mend it, or give it a row in differences.json').toStrictEqual([]);
  });

  test('every difference that names recordings concerns one', () => {
    const applied = new Set(results.flatMap((result) => result.applied.map(({ id }) => id)));
    const isOfNode = ({ expect, kinds, cases, unseen }: Difference): boolean =>
      (expect ?? kinds ?? cases ?? unseen) === undefined;
    const idle = table.differences.filter(
      (row) => row.match !== undefined && !applied.has(row.id) && (isNode || !isOfNode(row)),
    );
    expect(idle.map(({ id }) => id)).toStrictEqual([]);
  });

  test('every case of a difference names a recording', () => {
    const names = new Set(recordings.flatMap(({ version, name }) => [name, `${version} ${name}`]));
    const unknown = table.differences.flatMap(({ cases = {} }) =>
      Object.keys(cases).filter((name) => !names.has(name)),
    );
    expect(unknown).toStrictEqual([]);
  });
});

/** What the exchanges that are not applicable lack, and how many lack it. */
function reasons(results: readonly Result[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const { outcome, because } of results) {
    const lacking = because.join(', ');
    if (outcome === 'not applicable') found.set(lacking, (found.get(lacking) ?? 0) + 1);
  }
  return found;
}

describe('commands of the recorded servers', () => {
  const sip = Object.values(table.sipCommands).flat();

  let server: Server | undefined;

  beforeAll(async () => {
    server = await startPrepared(await prepare('4.0', 'default'));
  });
  afterAll(() => server?.close({ deadline: 0 }));

  async function ask(method: string): Promise<{ result?: readonly string[]; error?: { code: number } }> {
    const body = JSON.stringify({ jsonrpc: '2.0', method, id: 1 });
    const headers = { 'Content-Type': 'application/json', Connection: 'close' };
    const response = await fetch(`http://127.0.0.1:${server?.port}/mi`, { method: 'POST', headers, body });
    return (await response.json()) as Awaited<ReturnType<typeof ask>>;
  }

  test('each is here, or in the table by name', async () => {
    const { result: ours = [] } = await ask('which');
    const known = new Set([...ours, ...sip]);
    expect(commandNames(recordings).filter((name) => !known.has(name))).toStrictEqual([]);
    expect(
      sip.filter((name) => ours.includes(name)),
      'these are here: take them out of sipCommands',
    ).toStrictEqual([]);
  });

  test('each of ours is recorded, or in the table by name', async () => {
    const { result: ours = [] } = await ask('which');
    const recorded = commandNames(recordings);
    const own = ours.filter((name) => name.includes(':') && !recorded.includes(name));
    expect(own.sort(), 'ownCommands lists what OpenSIPS has not').toStrictEqual([...table.ownCommands].sort());
  });

  test('those of a SIP server are not found', async () => {
    for (const name of sip) expect((await ask(name)).error?.code, name).toBe(-32601);
  });
});
