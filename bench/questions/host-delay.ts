import type { ChildProcess } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { readForEver } from '../load/client.js';
import { startWrk, type WrkLoad } from '../load/wrk.js';
import { ask } from '../peer-pool.js';
import type { Delays } from '../peers/delay-meter.js';
import type { Command, Need } from '../peers/peer.js';
import { end } from '../process/run-to-end.js';
import type { Question, RunningPeer, Sample } from '../question.js';

const connections = 4;
const contacts = 100_000;
/** Seconds until the load is under way. */
const warmUp = 0.3;

interface Work {
  readonly name: string;
  readonly need: Need;
  readonly inQuick?: true;
  /** The work that is done beside; a command that a peer has to have. */
  readonly command: Command;
  readonly begin: (peer: RunningPeer, seconds: number) => ChildProcess;
}

/** Work in a closed loop. */
function loop(command: Command, amount: number | undefined, load: Partial<WrkLoad> = {}): Work['begin'] {
  return (peer, seconds) =>
    startWrk(peer.port, peer.call(command, amount), { connections, seconds: Math.ceil(seconds), ...load });
}

const embedded: Need = { contacts: 0, tls: false, embedded: true };

const works: readonly Work[] = [
  { name: 'small calls', need: embedded, command: 'version', begin: loop('version', undefined) },
  {
    name: `dumps of ${contacts.toLocaleString('en')} contacts`,
    need: { ...embedded, contacts },
    inQuick: true,
    command: 'ul_dump',
    begin: (peer) => readForEver(peer.port, peer.call('ul_dump')),
  },
  { name: 'batches of 1,000 calls', need: embedded, inQuick: true, command: 'batch', begin: loop('batch', 1000) },
  { name: 'bodies of 256 KiB', need: embedded, command: 'measure', begin: loop('measure', 256 * 1024) },
  {
    name: 'TLS handshakes',
    need: { ...embedded, tls: true },
    command: 'version',
    begin: loop('version', undefined, { newConnections: true, tls: true }),
  },
];

export const hostDelay: Question = {
  name: 'host-delay',
  title: 'The event loop of a host',
  method:
    'How late a timer of two milliseconds is in a program that the server is a part of, while the work is done that ' +
    `${connections} clients (of dumps one) ask for as fast as they can; right before, the same while nothing is asked. ` +
    'All programs have a small young generation (--max-semi-space-size=2).',
  chart: 'lateP99',
  base: 'bare uWebSockets.js',
  cases: ({ quick, seconds }) =>
    works
      .filter(({ inQuick }) => !quick || inQuick === true)
      .map(({ name, need, command, begin }) => ({
        name,
        command: 'delay',
        need,
        lasts: 2 * seconds + 2 * warmUp,
        measure: (peer) => measure(peer, need, command, begin, seconds),
      })),
};

async function measure(
  peer: RunningPeer,
  { tls }: Need,
  command: Command,
  begin: Work['begin'],
  seconds: number,
): Promise<Sample> {
  const late = async (): Promise<Delays> => {
    const { result } = JSON.parse(await ask(peer.port, peer.call('delay'), tls)) as { result: Delays };
    return result;
  };
  // The first reply of each kind is made by what is not compiled yet.
  await ask(peer.port, peer.call(command), tls);
  await late();
  await pause(seconds * 1000);
  const idle = await late();
  const work = begin(peer, seconds + 2 * warmUp);
  try {
    await pause(warmUp * 1000);
    await late();
    await pause(seconds * 1000);
    const busy = await late();
    return { lateP50: busy.p50, lateP99: busy.p99, lateMax: busy.max, aboveIdle: busy.p99 - idle.p99 };
  } finally {
    await end(work);
  }
}
