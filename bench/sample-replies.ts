// The replies of mi-httpd, which the baseline and those that work by hand then give too: equal work, equal lengths.
import { ask, PeerPool } from './peer-pool.js';
import { miHttpd } from './peers/mi-httpd.js';
import type { Command, SampleReplies } from './peers/peer.js';
import { plain } from './question.js';

/** @throws Error when mi-httpd does not start */
export async function sampleReplies(folder: string): Promise<SampleReplies> {
  const pool = new PeerPool({ folder, certificate: undefined, replies: { version: '', which: [], statistics: [] } });
  try {
    const peer = await pool.get(miHttpd, plain);
    const result = async (command: Command): Promise<unknown> =>
      (JSON.parse(await ask(peer.port, peer.call(command))) as { result: unknown }).result;
    return {
      version: ((await result('version')) as { Server: string }).Server,
      which: (await result('which')) as string[],
      statistics: Object.keys((await result('get_statistics')) as object),
    };
  } finally {
    await pool.endAll();
  }
}
