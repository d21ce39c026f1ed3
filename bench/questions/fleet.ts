import { callBySchedule } from '../load/client.js';
import { members } from '../peers/fleet.js';
import { plain, type Question } from '../question.js';

/** Calls a second: few enough that one is over before the next begins. */
const rate = 20;

export const fleet: Question = {
  name: 'fleet',
  title: 'One command on a fleet, merged',
  method: `\`fleet:call\` of ${members} members by a nats-server of its own, ${rate} calls/s by schedule on one connection, until the last byte of the merged answer; members answer 2.9 KB each, a constant, from 4 processes on the core of the load.`,
  chart: 'p50',
  cases: ({ seconds }) => [
    {
      name: `${members} members`,
      command: 'fleet',
      rounds: 2,
      need: plain,
      measure: async (peer) => {
        const before = peer.usage();
        const { p50, p99, max } = await callBySchedule(peer.port, peer.call('fleet'), {
          rate,
          connections: 1,
          seconds,
        });
        const after = peer.usage();
        return {
          p50,
          p99,
          max,
          cpu: ((after.processor - before.processor) / (rate * seconds)) * 1e6,
          peak: after.peak / 1e6,
        };
      },
    },
  ],
};
