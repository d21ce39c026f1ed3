import type { Server } from '#src/server.js';
import { idleSeconds } from '../engine.js';
import { disagreements, type Observed } from './compare.js';
import type { Difference, DifferenceTable, ExpectedResponse } from './differences.js';
import { type Judged, judge } from './judge.js';
import { kindOf, type Recording, spell, writesOf } from './recording.js';
import { prepare, startPrepared, type TlsFiles } from './servers.js';
import { Wire } from './wire.js';

/** The outcome of one exchange. */
export interface Result {
  readonly recording: Recording;
  readonly outcome: 'identical' | 'different on purpose' | 'not applicable' | 'failing';
  /** Ids of the differences that were applied, or the part that this build lacks. */
  readonly because: readonly string[];
  /** The differences that concern it, also where it is not replayed. */
  readonly applied: readonly Difference[];
  readonly problems: readonly string[];
}

/** Milliseconds for one exchange; only a server that hangs needs them, and one that has to close an idle connection. */
const deadline = 1000 * (idleSeconds[1] + 24);

/** Replays every recording on servers set as the recorded ones were, groups in order on a server of their own. */
export async function replayAll(
  recordings: readonly Recording[],
  table: DifferenceTable,
  files: TlsFiles | undefined,
): Promise<readonly Result[]> {
  const sets = new Map<string, Recording[]>();
  for (const recording of recordings) {
    // Failed logins are remembered, so that each has a server of its own.
    const single = recording.config.startsWith('auth') ? recording.name : '';
    const key = [recording.file, recording.config, recording.group ?? '', single].join(' ');
    sets.set(key, [...(sets.get(key) ?? []), recording]);
  }
  const results: Result[][] = [];
  // Several at once: some exchanges wait for a deadline of the server.
  const waiting = [...sets.values()];
  const lane = async (): Promise<void> => {
    for (let set = waiting.pop(); set !== undefined; set = waiting.pop())
      results.push(await replaySet(set, table, files));
  };
  await Promise.all(Array.from({ length: 4 }, lane));
  const all = new Map(results.flat().map((result) => [result.recording, result]));
  return recordings.flatMap((recording) => all.get(recording) ?? []);
}

async function replaySet(
  set: readonly Recording[],
  table: DifferenceTable,
  files: TlsFiles | undefined,
): Promise<Result[]> {
  const [first] = set;
  if (first === undefined) return [];
  const prepared = await prepare(first.version, first.config, files);
  const refused = [...new Set(prepared.refused.map((reason) => /cannot be set: ([^;]*)/.exec(reason)?.[1] ?? reason))];
  const isNotYetThere = refused.length > 0 && refused.every((reason) => reason.includes('not available'));
  if (refused.length > 0 && !isNotYetThere) throw new Error(`configuration ${first.config}: ${refused.join('; ')}`);
  const server = isNotYetThere ? undefined : await startPrepared(prepared);
  try {
    const results: Promise<Result>[] = [];
    for (const recording of set) {
      const { interface: name } = recording;
      const lacking = prepared.missing.includes(name) ? [`module ${name}`] : refused;
      const judged = judge(recording, table);
      if (server === undefined || lacking.length > 0) {
        const { applied } = judged;
        results.push(
          Promise.resolve({ recording, outcome: 'not applicable', because: lacking, applied, problems: [] }),
        );
        continue;
      }
      const result = replay(recording, judged, server);
      results.push(result);
      // An exchange that waits for a deadline of the server leaves no trace: it waits beside the others.
      if (!judged.expected.some(isIdle)) await result;
    }
    return await Promise.all(results);
  } finally {
    await server?.close({ deadline: 0 });
  }
}

function isIdle(response: ExpectedResponse): boolean {
  return 'none' in response && response.none === 'idle';
}

async function replay(recording: Recording, { expected, applied }: Judged, server: Server): Promise<Result> {
  const observed = await withDeadline(exchange(recording, expected, server));
  const problems = typeof observed === 'string' ? [observed] : disagreements(expected, observed, recording);
  const because = applied.map(({ id }) => id);
  if (problems.length > 0) {
    return { recording, outcome: 'failing', because, applied, problems };
  }
  if (applied.some(({ kind }) => kind === 'not applicable')) {
    return { recording, outcome: 'not applicable', because, applied, problems };
  }
  return { recording, outcome: applied.length > 0 ? 'different on purpose' : 'identical', because, applied, problems };
}

async function exchange(
  recording: Recording,
  expected: readonly ExpectedResponse[],
  server: Server,
): Promise<Observed> {
  const isTls = recording.overTls === true;
  const { http } = kindOf(recording);
  const wire = await Wire.open(server.port, isTls);
  try {
    await wire.send(writesOf(recording.request));
    const replies: Observed['replies'][number][] = [];
    for (const response of expected) {
      if ('none' in response) continue;
      if (response.after !== undefined) {
        await roundTrip(server, isTls);
        if (wire.unread !== '') break;
        await wire.send([Buffer.from(spell(response.after), 'latin1')]);
      }
      const reply = await wire.reply(http === 'HEAD');
      if (reply === undefined) return { replies, connection: 'closed' };
      replies.push(reply);
    }
    if (expected.some(isIdle))
      return { replies, connection: (await wire.reply(false)) === undefined ? 'closed' : 'more bytes followed' };
    return { replies, connection: await connectionState(wire) };
  } finally {
    wire.close();
  }
}

/** The number of exchanges by outcome. */
export function counts(results: readonly Result[]): Readonly<Record<Result['outcome'], number>> {
  const count = (outcome: Result['outcome']): number => results.filter((result) => result.outcome === outcome).length;
  return {
    identical: count('identical'),
    'different on purpose': count('different on purpose'),
    'not applicable': count('not applicable'),
    failing: count('failing'),
  };
}

const probe = 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic YWRtaW46czNjcmV0Ong=\r\n\r\n';

/** An open connection answers one more request, and with nothing before it. */
async function connectionState(wire: Wire): Promise<Observed['connection']> {
  await wire.send([Buffer.from(probe)]);
  const reply = await wire.reply(false);
  if (reply === undefined) return 'closed';
  return reply.status === 200 && reply.body.toString() === 'ok\n' ? 'open' : 'more bytes followed';
}

/** When another connection has been answered, the server has seen the bytes that this one sent before. */
async function roundTrip(server: Server, isTls: boolean): Promise<void> {
  const wire = await Wire.open(server.port, isTls);
  await connectionState(wire);
  wire.close();
}

async function withDeadline<T>(work: Promise<T>): Promise<T | string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no reply within ${deadline} ms`), deadline);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
