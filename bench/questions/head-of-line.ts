import type { ChildProcess } from 'node:child_process';
import { callBySchedule, readForEver, readSlowly } from '../load/client.js';
import type { Command } from '../peers/peer.js';
import { end } from '../process/run-to-end.js';
import type { Question, RunningPeer } from '../question.js';

/** Calls a second: so few that the load's core has time for the reader of the dumps too. */
const rate = 500;
const slowReaders = 20;

const conditions: readonly {
  readonly name: string;
  readonly command: Command;
  readonly inQuick: boolean;
  readonly disturb: (peer: RunningPeer, seconds: number) => ChildProcess | undefined;
}[] = [
  { name: 'nothing else', command: 'version', inQuick: false, disturb: () => undefined },
  {
    name: 'while dumps are read',
    command: 'ul_dump',
    inQuick: true,
    disturb: (peer) => readForEver(peer.port, peer.call('ul_dump')),
  },
  {
    name: `while ${slowReaders} slow readers read dumps`,
    command: 'ul_dump',
    inQuick: false,
    disturb: (peer, seconds) => readSlowly(peer.port, peer.call('ul_dump'), slowReaders, seconds + 1),
  },
  {
    name: 'while a command waits',
    command: 'wait',
    inQuick: true,
    disturb: (peer) => readForEver(peer.port, peer.call('wait')),
  },
];

export const headOfLine: Question = {
  name: 'head-of-line',
  title: 'A small command while something else runs',
  method: `\`version\`, ${rate} calls/s by schedule on 4 connections, while others ask for more.`,
  chart: 'p99',
  cases: ({ quick, seconds }) => {
    const contacts = quick ? 10_000 : 100_000;
    return conditions
      .filter(({ inQuick }) => inQuick || !quick)
      .map(({ name, command, disturb }) => ({
        name: command === 'ul_dump' ? `${name}, ${contacts.toLocaleString('en')} contacts` : name,
        command,
        need: { contacts, tls: false },
        measure: async (peer) => {
          const other = disturb(peer, seconds);
          try {
            const load = { rate, connections: 4, seconds };
            return { ...(await callBySchedule(peer.port, peer.call('version'), load)) };
          } finally {
            if (other !== undefined) await end(other);
          }
        },
      }));
  },
};
