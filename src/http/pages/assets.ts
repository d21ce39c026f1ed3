import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { packageFile } from '../../base/package.js';
import type { Exchange, ReplyHeaders } from '../exchange.js';

interface Asset {
  readonly body: Uint8Array;
  readonly tag: string;
  readonly headers: ReplyHeaders;
  /** The body by gzip, once a client has asked for that. */
  gzipped: Uint8Array | undefined;
}

/** Folder of the style sheet that all pages share, `style.css`. */
export const sharedAssets = packageFile('dist/http/pages/assets/');

/** The caching of files that never change under their path (RFC 8246). */
const lasting = 'private, max-age=31536000, immutable, no-transform';

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Styles and scripts of pages, in memory: every file of some folders. */
export class Assets {
  readonly #assets: ReadonlyMap<string, Asset>;
  /**
   * Stands for the content of all of them. As a folder in their path it lets browsers keep them without asking again,
   * each script with those that it imports.
   */
  readonly version: string;

  /**
   * @param folders URLs that end with a slash
   * @throws Error when the package is incomplete
   */
  constructor(...folders: readonly URL[]) {
    this.#assets = new Map(
      folders.flatMap((folder) => readdirSync(folder).map((name) => [name, load(new URL(name, folder))])),
    );
    const tags = [...this.#assets].map(([name, { tag }]) => `${name} ${tag}`);
    this.version = digest(tags.sort().join('\n')).slice(0, 12);
  }

  /**
   * Answers with an asset, or 304 to a client that has it (RFC 9110 §13.1.2).
   *
   * @param path its name, or with {@link version} in front `VERSION/name`
   * @param isGzipped true for a client that takes gzip
   * @returns false when there is none
   */
  reply(exchange: Exchange, path: string, isGzipped = false): boolean {
    const isLasting = path.startsWith(`${this.version}/`);
    const asset = this.#assets.get(isLasting ? path.slice(this.version.length + 1) : path);
    if (asset === undefined) return false;
    const own = isGzipped ? { ...asset.headers, ETag: `W/${asset.tag}`, 'Content-Encoding': 'gzip' } : asset.headers;
    const headers = isLasting ? { ...own, 'Cache-Control': lasting } : own;
    const isKnown = hasTag(exchange.header('if-none-match') ?? '', asset.tag);
    if (isGzipped) asset.gzipped ??= process.getBuiltinModule('node:zlib').gzipSync(asset.body, { level: 9 });
    // The body is not sent with 304, but decides about its headers.
    exchange.reply(isKnown ? 304 : 200, isGzipped ? (asset.gzipped ?? asset.body) : asset.body, headers);
    return true;
  }
}

/** Tells whether a list of entity tags has this one, by weak comparison (RFC 9110 §8.8.3.2); no regular expression takes it apart. */
function hasTag(list: string, tag: string): boolean {
  return list.split(',').some((given) => {
    const one = given.trim();
    return one === '*' || (one.startsWith('W/') ? one.slice(2) : one) === tag;
  });
}

function digest(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('base64url');
}

function load(file: URL): Asset {
  const body = readFileSync(file);
  const tag = `"${digest(body).slice(0, 22)}"`;
  const headers = {
    'Content-Type': types[extname(file.pathname)] ?? 'application/octet-stream',
    ETag: tag,
    'Cache-Control': 'no-cache, no-transform',
    'Cross-Origin-Resource-Policy': 'same-origin',
    Vary: 'Accept-Encoding',
  };
  return { body, tag, headers, gzipped: undefined };
}
