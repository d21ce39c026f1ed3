import type { ChildProcess } from 'node:child_process';
import { callBySchedule, download, readForEver } from '../load/client.js';
import { end } from '../process/run-to-end.js';
import type { Case, Question, RunningPeer } from '../question.js';

/** Small calls a second beside a search. */
const rate = 500;
const searches = 5;

export const find: Question = {
  name: 'find',
  title: 'Contacts by a part of what is known about them',
  method:
    `\`usrloc:find\`, ${searches} one after the other, each through all contacts: one has the text, or all have it and the first hundred ` +
    `are given. Beside it \`version\`, ${rate} calls/s by schedule on 4 connections.`,
  chart: 'cpu',
  cases: ({ quick, seconds }) =>
    [quick ? 10_000 : 1_000_000].flatMap((contacts): readonly Case[] => {
      const need = { contacts, tls: false };
      const of = `of ${contacts.toLocaleString('en')}`;
      const search = (name: string, command: 'find' | 'find_many'): Case => ({
        name: `${name} ${of}`,
        command,
        need,
        rounds: 1,
        lasts: searches * contacts * 2e-7,
        measure: async (peer) => {
          const before = peer.usage();
          const replies = await download(peer.port, peer.call(command), searches);
          const after = peer.usage();
          const times = replies.map(({ totalMs }) => totalMs).sort((a, b) => a - b);
          return {
            cpu: ((after.processor - before.processor) / searches) * 1e6,
            p50: times[searches >> 1] ?? Number.NaN,
            max: times.at(-1) ?? Number.NaN,
          };
        },
      });
      const beside = (name: string, disturb: (peer: RunningPeer) => ChildProcess | undefined): Case => ({
        name: `a small command beside ${name} ${of}`,
        command: 'find',
        need,
        rounds: 2,
        measure: async (peer) => {
          const other = disturb(peer);
          try {
            return { ...(await callBySchedule(peer.port, peer.call('version'), { rate, connections: 4, seconds })) };
          } finally {
            if (other !== undefined) await end(other);
          }
        },
      });
      return [
        search('one', 'find'),
        search('all', 'find_many'),
        beside('nothing', () => undefined),
        beside('searches', (peer) => readForEver(peer.port, peer.call('find'))),
      ];
    }),
};
