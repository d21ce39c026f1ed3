import { spawnSync } from 'node:child_process';
import zlib from 'node:zlib';

/** Node.js 20 has no zstd. */
const { zstdDecompressSync } = zlib as { zstdDecompressSync?: (bytes: Uint8Array) => Buffer };

/** Why nothing can be decoded here, as titles of tests tell it; false when all can. */
export const lacksZstd: string | false =
  zstdDecompressSync !== undefined || spawnSync('zstd', ['--version']).status === 0
    ? false
    : 'neither this Node.js nor the program zstd decodes zstd';

/** The text of a body that came with this Content-Encoding. */
export function decode(coding: string | undefined, body: Buffer): Buffer {
  if (coding === undefined) return body;
  if (coding === 'gzip') return zlib.gunzipSync(body);
  if (coding !== 'zstd') throw new Error(`Content-Encoding ${coding} is none of ours`);
  if (zstdDecompressSync !== undefined) return zstdDecompressSync(body);
  const { status, stdout, stderr } = spawnSync('zstd', ['-d', '-c'], { input: body, maxBuffer: 1 << 30 });
  if (status !== 0) throw new Error(`zstd: ${stderr}`);
  return stdout;
}
