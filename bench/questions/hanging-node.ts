import { callBySchedule, readSlowly } from '../load/client.js';
import type { Command } from '../peers/peer.js';
import { end } from '../process/run-to-end.js';
import { plain, type Question } from '../question.js';

/** Calls a second. */
const rate = 500;

/** Calls of the node that hangs, which are fewer than the 256 that may wait. */
const waiting = 250;

const asked: readonly { readonly name: string; readonly command: Command }[] = [
  { name: 'a command of mi-httpd', command: 'own' },
  { name: 'a command of another node', command: 'beside' },
];

export const hangingNode: Question = {
  name: 'hanging-node',
  title: 'A small command while an OpenSIPS hangs',
  method: `\`version\` of mi-httpd, or of a node beside the one that hangs, ${rate} calls/s by schedule on 4 connections; ${waiting} connections wait for the node that hangs.`,
  chart: 'p99',
  cases: ({ seconds }) =>
    asked.flatMap(({ name, command }) =>
      [false, true].map((hangs) => ({
        name: `${name}, ${hangs ? 'while a node hangs' : 'nothing else'}`,
        command,
        need: plain,
        measure: async (peer) => {
          const others = hangs ? readSlowly(peer.port, peer.call('hang'), waiting, seconds + 1) : undefined;
          try {
            return { ...(await callBySchedule(peer.port, peer.call(command), { rate, connections: 4, seconds })) };
          } finally {
            if (others !== undefined) await end(others);
          }
        },
      })),
    ),
};
