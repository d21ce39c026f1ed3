import { plain, type Question } from '../question.js';
import { closedLoop } from './measures.js';

const pipelined = 16;

export const pipelining: Question = {
  name: 'pipelining',
  title: 'Pipelining',
  method:
    `\`version\`, ${pipelined} requests in one write on each of 16 connections: the kernel's share of a request ` +
    'becomes small, and what is left is the server. Latencies are of the whole write.',
  chart: 'rate',
  cases: ({ seconds }) => [
    {
      name: `${pipelined} requests a write`,
      command: 'version',
      need: plain,
      measure: (peer) => closedLoop(peer, 'version', { connections: 16, seconds, pipelined }),
    },
  ],
};
