import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { packageFile } from '../../../base/package.js';
import { reasonOf } from '../../../base/text.js';
import { firstHeadLimit } from '../../../native/addon.js';
import { UwsEngine } from './app.js';
import { checkEngine, UnknownEngine } from './pins.js';
import type { UwsModule } from './types.js';

interface Candidate {
  readonly specifier: string;
  readonly version: string;
  readonly nodeMajors: readonly number[];
  readonly supports: string;
}

/** Newest first. */
const candidates: readonly Candidate[] = [
  {
    specifier: 'uws-20.69',
    version: '20.69.0',
    nodeMajors: [22, 24, 26],
    supports: 'Node.js 22, 24 and 26 with glibc 2.38 or later',
  },
  {
    specifier: 'uws-20.51',
    version: '20.51.4',
    nodeMajors: [20, 22],
    supports: 'Node.js 20 and 22 with glibc 2.27 or later',
  },
];

/** The engine's limit for a head. Its own default, 4096 bytes, is too small for long URLs and tokens. */
const headLimitVariable = 'UWS_HTTP_MAX_HEADERS_SIZE';
const headLimit = '16384';

const shortHeads =
  'heads of requests are limited to 4096 bytes in this process: the engine was loaded in a worker thread with an ' +
  `environment of its own, and is loaded once; start the process with ${headLimitVariable}=${headLimit}, or the worker ` +
  'with env: SHARE_ENV';

/** As the package itself asks for what it depends on, also where it is part of a bundle. */
const require = createRequire(packageFile('package.json'));

let loaded: UwsEngine | undefined;

/**
 * Loads the newest engine that works here, once per process. It must not be imported statically: it reads the
 * limit for heads from the environment when it is loaded.
 *
 * @param given an engine that the embedder brings, taken as it is
 * @throws Error in one line, naming this platform and what is supported, when no engine loads, or one is found that is not
 *   the one this version was made with
 */
export async function loadUws(given?: object): Promise<UwsEngine> {
  if (given !== undefined) {
    if (!isEngine(given)) throw new TypeError('option engine is not uWebSockets.js: it lacks App, SSLApp or others');
    return new UwsEngine('of the embedder', given);
  }
  loaded ??= loadNewest();
  return loaded;
}

function isEngine(given: object): given is UwsModule {
  const used = ['App', 'SSLApp', 'us_listen_socket_close', 'us_socket_local_port'];
  return used.every((name) => typeof (given as Readonly<Record<string, unknown>>)[name] === 'function');
}

function loadNewest(): UwsEngine {
  const before = process.env[headLimitVariable];
  process.env[headLimitVariable] = before ?? headLimit;
  try {
    // In a worker thread the environment may be a copy, of which the engine sees nothing. It asks once in a process.
    const isAsSet = firstHeadLimit(headLimitVariable) > 0;
    const { version, uws } = firstThatLoads();
    return new UwsEngine(version, uws, isAsSet ? undefined : shortHeads);
  } finally {
    if (before === undefined) delete process.env[headLimitVariable];
  }
}

/** A binary that has loaded. */
interface Loaded {
  readonly version: string;
  readonly uws: UwsModule;
}

function firstThatLoads(): Loaded {
  const failures: string[] = [];
  const major = Number(process.versions.node.split('.', 1));
  for (const { specifier, version, nodeMajors } of candidates) {
    if (!nodeMajors.includes(major)) continue;
    try {
      return loadBinary(specifier, `${process.platform}-${process.arch}-${major}`);
    } catch (error) {
      if (error instanceof UnknownEngine) throw error;
      failures.push(`${version}: ${lastLine(error)}`);
    }
  }
  const supported = candidates.map(({ version, supports }) => `${version} for ${supports}`).join(', ');
  throw new Error(
    `no HTTP engine loads on ${platform()}; supported on Linux, macOS and Windows, x64 and arm64: ` +
      `${supported} (${failures.join('; ') || 'none of them is for this Node.js'})`,
  );
}

/**
 * Loads the binary itself, past the scripts that its packages put around it: no code of theirs runs that is not known.
 * It may be another version than the one that was asked for, where npm has installed just that one.
 */
function loadBinary(specifier: string, target: string): Loaded {
  const fromWrapper = createRequire(require.resolve(specifier));
  const path = fromWrapper.resolve(`@uwsjs/${target}/uws.node`);
  const { version } = JSON.parse(readFileSync(fromWrapper.resolve(`@uwsjs/${target}/package.json`), 'utf8')) as Loaded;
  const checked = checkEngine(path, target, version);
  // Not by import(): where a CommonJS module fails to load, Node.js 20 ends the process, caught or not.
  return { version: checked, uws: require(path) as UwsModule };
}

/** Platform, architecture, Node.js and C library of this process: what decides whether a binary loads. */
function platform(): string {
  return `${process.platform} ${process.arch}, Node.js ${process.versions.node}${cLibrary()}`;
}

function cLibrary(): string {
  if (process.platform !== 'linux') return '';
  const { header } = process.report.getReport() as unknown as { readonly header: { glibcVersionRuntime?: string } };
  const { glibcVersionRuntime: version } = header;
  return version === undefined ? ', not glibc (musl?)' : `, glibc ${version}`;
}

/** The engine's own error has a paragraph first; the reason of the loader comes last. */
function lastLine(error: unknown): string {
  const text = reasonOf(error);
  return (
    text
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('- ') && line !== 'Require stack:')
      .at(-1) ?? text
  );
}
