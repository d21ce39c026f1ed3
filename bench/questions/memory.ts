import { setTimeout as pause } from 'node:timers/promises';
import { readSlowly, stay } from '../load/client.js';
import { runWrk } from '../load/wrk.js';
import { end } from '../process/run-to-end.js';
import { type Case, plain, type Question } from '../question.js';

const connections = 1000;
const slowReaders = 50;
const megabyte = 1e6;

export const memory: Question = {
  name: 'memory',
  title: 'Memory',
  method:
    'Resident memory of the server (of all its processes, if it has several), each case in a process of its own: ' +
    'growth is above what was resident before.',
  chart: 'resident',
  cases: ({ quick, seconds, hasOriginal = false }) => {
    const cases: readonly Omit<Case, 'rounds'>[] = [
      {
        name: 'after the start',
        command: 'version',
        need: plain,
        lasts: 0,
        isStart: true,
        measureStart: async (start) => {
          const { peer } = await start();
          const { resident, peak } = peer.usage();
          return { resident: resident / megabyte, peak: peak / megabyte };
        },
      },
      {
        name: 'after a load of small commands',
        command: 'version',
        need: plain,
        measureStart: async (start) => {
          const { peer } = await start();
          const before = peer.usage();
          await runWrk(peer.port, peer.call('version'), { connections: 64, seconds });
          return grown(before.resident, peer.usage());
        },
      },
      {
        name: `${connections.toLocaleString('en')} connections that stay`,
        command: 'version',
        need: plain,
        lasts: 0.5,
        measureStart: async (start) => {
          const { peer } = await start();
          const before = peer.usage();
          const client = await stay(peer.port, peer.call('version'), connections);
          const after = peer.usage();
          await end(client);
          return grown(before.resident, after);
        },
      },
    ];
    const readers = quick ? [10_000] : hasOriginal ? [10_000, 100_000] : [100_000];
    const all = [...(quick ? cases.slice(0, 1) : cases), ...readers.map((contacts) => slowly(contacts, quick ? 1 : 4))];
    // Memory hardly varies.
    return all.map((one) => ({ ...one, rounds: 2 }));
  },
};

function slowly(contacts: number, seconds: number): Omit<Case, 'rounds'> {
  return {
    name: `${slowReaders} slow readers of ${contacts.toLocaleString('en')} contacts`,
    command: 'ul_dump',
    need: { contacts, tls: false },
    lasts: seconds,
    measureStart: async (start) => {
      const { peer } = await start();
      const before = peer.usage();
      const readers = readSlowly(peer.port, peer.call('ul_dump'), slowReaders, 60);
      await pause(1000 * seconds);
      const after = peer.usage();
      await end(readers);
      return grown(before.resident, after);
    },
  };
}

function grown(before: number, { resident, peak }: { readonly resident: number; readonly peak: number }) {
  return { resident: resident / megabyte, growth: Math.max(0, resident - before) / megabyte, peak: peak / megabyte };
}
