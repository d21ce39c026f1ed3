import { download } from '../load/client.js';
import type { Question } from '../question.js';
import { closedLoop } from './measures.js';

export const mirror: Question = {
  name: 'mirror',
  title: 'The contacts of an OpenSIPS, mirrored',
  method: 'One contact by wrk in a closed loop on 16 connections, and the whole dump; OpenSIPS is not asked.',
  chart: 'cpu',
  cases: ({ quick, seconds }) => {
    const contacts = quick ? 10_000 : 100_000;
    const need = { contacts, tls: false };
    const of = `of ${contacts.toLocaleString('en')}`;
    return [
      {
        name: `one contact ${of}`,
        command: 'mirrored_contact',
        need,
        measure: (peer) =>
          closedLoop(peer, 'mirrored_contact', { connections: 16, seconds, newConnections: false, tls: false }),
      },
      {
        name: `the dump ${of}`,
        command: 'mirrored_dump',
        need,
        measure: async (peer) => {
          const before = peer.usage();
          const dumps = await download(peer.port, peer.call('mirrored_dump'), 10);
          const after = peer.usage();
          const bytes = dumps.reduce((sum, one) => sum + one.bytes, 0);
          const milliseconds = dumps.reduce((sum, { totalMs }) => sum + totalMs, 0);
          return {
            cpu: ((after.processor - before.processor) / dumps.length) * 1e6,
            firstByte: dumps.reduce((sum, { firstByteMs }) => sum + firstByteMs, 0) / dumps.length,
            megabytesPerSecond: bytes / 1e3 / milliseconds,
            peak: after.peak / 1e6,
          };
        },
      },
    ];
  },
};
