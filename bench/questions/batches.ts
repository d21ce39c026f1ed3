import { plain, type Question } from '../question.js';
import { closedLoop } from './measures.js';

const sizes = [1, 10, 100, 1000];

export const batches: Question = {
  name: 'batches',
  title: 'Batches',
  method:
    'Calls of `version` in one batch, on each of 4 connections; figures are those of a call, latencies those of the whole ' +
    'batch. Peers that work by hand parse the batch by one `JSON.parse` and print its replies by one `JSON.stringify`.',
  chart: 'cpuCall',
  base: 'node:http',
  cases: ({ quick, seconds }) =>
    (quick ? sizes.slice(-1) : sizes).map((amount) => ({
      name: `${amount.toLocaleString('en')} call${amount === 1 ? '' : 's'} a batch`,
      command: 'batch',
      amount,
      rounds: 3,
      need: plain,
      measure: (peer) => closedLoop(peer, 'batch', { connections: 4, seconds, amount }),
    })),
};
