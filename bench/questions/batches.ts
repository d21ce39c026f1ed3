import { plain, type Question } from '../question.js';
import { closedLoop } from './measures.js';

export const batches: Question = {
  name: 'batches',
  title: 'Batches',
  method:
    '1,000 calls of `version` in one batch, on each of 4 connections. Peers that work by hand parse the batch by one ' +
    '`JSON.parse` and print its replies by one `JSON.stringify`.',
  chart: 'cpu',
  cases: ({ seconds }) => [
    {
      name: '1,000 calls a batch',
      command: 'batch',
      need: plain,
      measure: (peer) => closedLoop(peer, 'batch', { connections: 4, seconds }),
    },
  ],
};
