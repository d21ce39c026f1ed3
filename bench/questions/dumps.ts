import { download } from '../load/client.js';
import type { Question, RunningPeer, Sample } from '../question.js';

export const dumps: Question = {
  name: 'dumps',
  title: 'Dumps of contacts',
  method:
    '`ul_dump` on a new connection, read as fast as it comes. The buffer of the baseline was made large enough for it; ' +
    'growth is of the peak of resident memory above what was resident before the first dump.',
  chart: 'megabytesPerSecond',
  cases: ({ quick }) =>
    (quick ? [10_000] : [10_000, 100_000, 1_000_000]).map((contacts) => ({
      name: `${contacts.toLocaleString('en')} contacts`,
      command: 'ul_dump',
      need: { contacts, tls: false },
      ...(contacts >= 100_000 ? { rounds: contacts >= 1_000_000 ? 1 : 3 } : {}),
      lasts: (contacts >= 1_000_000 ? 1 : 4) * contacts * 5e-6,
      measure: (peer) => measure(peer, contacts >= 1_000_000 ? 1 : 4),
    })),
};

async function measure(peer: RunningPeer, count: number): Promise<Sample> {
  const before = peer.usage();
  const downloads = await download(peer.port, peer.call('ul_dump'), count);
  const after = peer.usage();
  const sum = (part: 'bytes' | 'firstByteMs' | 'totalMs'): number =>
    downloads.reduce((total, one) => total + one[part], 0);
  const bytes = sum('bytes');
  return {
    megabytesPerSecond: bytes / 1e3 / sum('totalMs'),
    firstByte: sum('firstByteMs') / downloads.length,
    cpuPerGigabyte: ((after.processor - before.processor) / bytes) * 1e9,
    growth: Math.max(0, after.peak - before.resident) / 1e6,
    peak: after.peak / 1e6,
  };
}
