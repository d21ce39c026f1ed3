import type { ChildProcess } from 'node:child_process';
import { callBySchedule, readForEver, readSlowly } from '../load/client.js';
import type { Command } from '../peers/peer.js';
import { end } from '../process/run-to-end.js';
import type { Effort, Question, RunningPeer } from '../question.js';

/** Calls a second: so few that the load's core has time for the reader of the dumps too. */
const rate = 500;
const slowReaders = 20;

interface Condition {
  readonly name: string;
  readonly command: Command;
  readonly contacts: number;
  /** Seconds for which a rival may hold up all calls. */
  readonly stall?: number;
  readonly disturb: (peer: RunningPeer, seconds: number) => ChildProcess | undefined;
}

function conditions({ quick, hasOriginal = false }: Effort): readonly Condition[] {
  const dumps = (contacts: number): Condition => ({
    name: `while dumps are read, ${contacts.toLocaleString('en')} contacts`,
    command: 'ul_dump',
    contacts,
    stall: contacts / 13_000,
    disturb: (peer) => readForEver(peer.port, peer.call('ul_dump')),
  });
  const readers = (contacts: number): Condition => ({
    name: `while ${slowReaders} slow readers read dumps, ${contacts.toLocaleString('en')} contacts`,
    command: 'ul_dump',
    contacts,
    stall: contacts / 13_000,
    disturb: (peer, seconds) => readSlowly(peer.port, peer.call('ul_dump'), slowReaders, seconds + 1),
  });
  const waits: Condition = {
    name: 'while a command waits',
    command: 'wait',
    contacts: 0,
    disturb: (peer) => readForEver(peer.port, peer.call('wait')),
  };
  if (quick) return [dumps(10_000), waits];
  const nothing: Condition = { name: 'nothing else', command: 'version', contacts: 0, disturb: () => undefined };
  // The original dumps 100,000 contacts for a minute and a half: it has fewer unless more are asked for.
  const slow = hasOriginal ? [readers(10_000), readers(100_000)] : [readers(100_000)];
  return [nothing, waits, dumps(10_000), dumps(100_000), ...slow];
}

export const headOfLine: Question = {
  name: 'head-of-line',
  title: 'A small command while something else runs',
  method: `\`version\`, ${rate} calls/s by schedule on 4 connections, while others ask for more.`,
  chart: 'p99',
  cases: (effort) =>
    conditions(effort).map(({ name, command, contacts, stall = 0, disturb }) => ({
      name,
      command,
      need: { contacts, tls: false },
      rounds: contacts >= 100_000 ? 2 : 3,
      lasts: effort.seconds + stall,
      measure: async (peer) => {
        const other = disturb(peer, effort.seconds);
        try {
          const load = { rate, connections: 4, seconds: effort.seconds };
          return { ...(await callBySchedule(peer.port, peer.call('version'), load)) };
        } finally {
          if (other !== undefined) await end(other);
        }
      },
    })),
};
