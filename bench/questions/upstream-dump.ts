import { download } from '../load/client.js';
import type { Question } from '../question.js';

const contacts = 10_000;

export const upstreamDump: Question = {
  name: 'upstream-dump',
  title: 'A dump of an OpenSIPS behind it',
  method: `\`ul_dump\` of ${contacts.toLocaleString('en')} contacts, which comes by FIFO in pieces of 4096 bytes, one after the other; the processor time of what stands in front.`,
  chart: 'cpu',
  cases: ({ quick }) => [
    {
      name: `${contacts.toLocaleString('en')} contacts by FIFO`,
      command: 'upstream_dump',
      need: { contacts, tls: false },
      measure: async (peer) => {
        const before = peer.usage();
        const dumps = await download(peer.port, peer.call('upstream_dump'), quick ? 5 : 40);
        const after = peer.usage();
        const bytes = dumps.reduce((sum, one) => sum + one.bytes, 0);
        const milliseconds = dumps.reduce((sum, { totalMs }) => sum + totalMs, 0);
        return {
          cpu: ((after.processor - before.processor) / dumps.length) * 1e6,
          megabytesPerSecond: bytes / 1e3 / milliseconds,
          peak: after.peak / 1e6,
        };
      },
    },
  ],
};
