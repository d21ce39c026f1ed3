import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';

/**
 * SHA-256 of the engine's binaries, by platform, architecture, major version of Node.js, and version of the engine. Written
 * by scripts/engine-pins.mjs, which fetches what can be fetched; what is not here is not loaded by itself.
 */
export const enginePins: Readonly<Record<string, string>> = {
  'linux-x64-20@20.51.4': '4d482084b665c225892917ee0e9b9572d89eaa6f3dc200ff5e536293d3456c89',
  'linux-x64-22@20.51.4': 'f687e7c3666b5cca9d355184bbf07bb0550f5ba0d3ffd453248ccfec552dde6c',
  'linux-x64-22@20.69.0': '34d235864db874fbf3aeafd48b63f6fb80f61fb584a86f1e5f7b0291dbd7a3d4',
  'linux-x64-24@20.69.0': '177efdc682425d754474bd30f9586c487fa6694f790f3406a23885d0e61c07a0',
  'linux-x64-26@20.69.0': '604375741bf77780b34e7e299af9274cb1f56d73732201d19e3d8d8448176795',
};

/** Hashes of binaries that whoever runs the process answers for, parted by commas or blanks. */
const trustVariable = 'MI_HTTPD_ENGINE_SHA256';

/** The binary is not the one that this version was made with. No other is tried then: somebody has to look at it. */
export class UnknownEngine extends Error {
  /** @param isExpected true when this version was made with one for this platform: then that one is not it */
  constructor(
    message: string,
    readonly isExpected: boolean,
  ) {
    super(message);
  }
}

/**
 * Holds a binary of the engine to the known hashes, before any of its code runs.
 *
 * @param target what it is for: `linux-x64-20`
 * @param version what its package says it is
 * @returns its version
 * @throws UnknownEngine naming the file, its hash and the remedy
 */
export function checkEngine(path: string, target: string, version: string): string {
  const hash = sha256(path);
  const known = Object.entries(enginePins).filter(([name]) => name.startsWith(`${target}@`));
  const [pinned] = known.find(([, pin]) => pin === hash) ?? [];
  if (pinned !== undefined) return pinned.slice(target.length + 1);
  if (trusted().includes(hash)) return version;
  const reason =
    known.length === 0
      ? `mi-httpd knows no hash of an engine for ${target}: make sure where this one comes from, then set`
      : `which is none that mi-httpd knows for ${target}: install again (npm ci), or, if it is one of your own, set`;
  throw new UnknownEngine(
    `the HTTP engine ${path} has sha256 ${hash}; ${reason} ${trustVariable} to the hash`,
    known.length > 0,
  );
}

function trusted(): readonly string[] {
  return (process.env[trustVariable] ?? '').toLowerCase().split(/[\s,]+/);
}

/** Piece by piece: 7 MB read at once would stay resident. */
function sha256(path: string): string {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(65536);
  const file = openSync(path, 'r');
  try {
    for (let length = readSync(file, piece); length > 0; length = readSync(file, piece)) {
      hash.update(piece.subarray(0, length));
    }
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}
