import { plain, type Question } from '../question.js';
import { closedLoop } from './measures.js';

/** As many as mi-httpd serves in one write. */
const pipelined = 32;

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
      measure: (peer) => closedLoop(peer, 'version', { connections: 16, seconds, pipelined }),
    },
  ],
};
