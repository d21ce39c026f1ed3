import type { Need } from '../peers/peer.js';
import type { Question } from '../question.js';
import { closedLoop } from './measures.js';

const kinds: readonly { readonly contacts: number; readonly coding?: 'gzip' | 'zstd' }[] = [
  { contacts: 1000 },
  { contacts: 1000, coding: 'gzip' },
  { contacts: 1000, coding: 'zstd' },
  { contacts: 10_000 },
  { contacts: 10_000, coding: 'gzip' },
  { contacts: 10_000, coding: 'zstd' },
];

export const compression: Question = {
  name: 'compression',
  title: 'Compressed replies',
  method:
    '`ul_dump` on 4 kept connections in a closed loop, plain and compressed, level 1. Processor time is that of all threads; ' +
    'the client does not decode.',
  chart: 'cpu',
  cases: ({ quick, seconds }) =>
    kinds
      .filter(({ contacts }) => !quick || contacts === 10_000)
      .map(({ contacts, coding }) => {
        const need: Need = { contacts, tls: false, ...(coding === undefined ? {} : { coding }) };
        return {
          name: `${contacts.toLocaleString('en')} contacts, ${coding ?? 'plain'}`,
          command: 'ul_dump',
          need,
          rounds: 3,
          measure: (peer) => closedLoop(peer, 'ul_dump', { connections: 4, seconds, coding: coding ?? 'identity' }),
        };
      }),
};
