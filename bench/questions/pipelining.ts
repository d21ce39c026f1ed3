import { plain, type Question } from '../question.js';
import { closedLoop } from './measures.js';

const pipelined = 16;

export const pipelining: Question = {
  name: 'pipelining',
  title: 'Pipelining',
  method:
    `\`version\`, ${pipelined} requests in one write on each of 16 connections: the kernel's share of a request ` +
    'becomes small, and what is left is the server.',
  chart: 'rate',
  cases: ({ seconds }) => [
    {
      name: `${pipelined} requests a write`,
      command: 'version',
      need: plain,
      measure: async (peer) => {
        // wrk times whole writes, which is no latency of a request.
        const {
          p50: _p50,
          p99: _p99,
          max: _max,
          ...sample
        } = await closedLoop(peer, 'version', {
          connections: 16,
          seconds,
          pipelined,
        });
        return sample;
      },
    },
  ],
};
