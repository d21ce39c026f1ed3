import { callBySchedule } from '../load/client.js';
import { plain, type Question } from '../question.js';

/** A quarter to a tenth of what the peers can do, so that latencies are those of a server that is not full. */
const rates = [1000, 5000];

export const latency: Question = {
  name: 'latency',
  title: 'Latency at a fixed rate',
  method:
    '`version` by schedule on 16 connections: a call that is due while the one before is unanswered counts from when ' +
    'it was due (no coordinated omission).',
  chart: 'p99',
  cases: ({ quick, seconds }) =>
    (quick ? rates.slice(1) : rates).map((rate) => ({
      name: `${rate} calls/s`,
      command: 'version',
      need: plain,
      measure: (peer) =>
        callBySchedule(peer.port, peer.call('version'), { rate, connections: 16, seconds }).then((l) => ({ ...l })),
    })),
};
