import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import type { Exchange, ReplyHeaders } from './exchange.js';

interface Asset {
  readonly body: Uint8Array;
  readonly tag: string;
  readonly headers: ReplyHeaders;
}

/** Folder of the style sheet that all pages share, `style.css`. */
export const sharedAssets = new URL('./assets/', import.meta.url);

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

/** Styles and scripts of pages, in memory: every file of some folders. */
export class Assets {
  readonly #assets: ReadonlyMap<string, Asset>;

  /**
   * @param folders URLs that end with a slash
   * @throws Error when the package is incomplete
   */
  constructor(...folders: readonly URL[]) {
    this.#assets = new Map(
      folders.flatMap((folder) => readdirSync(folder).map((name) => [name, load(new URL(name, folder))])),
    );
  }

  /** Answers with the asset of that name, or 304 to a client that has it (RFC 9110 §13.1.2); false: there is none. */
  reply(exchange: Exchange, name: string): boolean {
    const asset = this.#assets.get(name);
    if (asset === undefined) return false;
    const known = (exchange.header('if-none-match') ?? '').split(/\s*,\s*/).map((tag) => tag.replace(/^W\//, ''));
    if (known.includes(asset.tag) || known.includes('*')) exchange.reply(304, '', asset.headers);
    else exchange.reply(200, asset.body, asset.headers);
    return true;
  }
}

function load(file: URL): Asset {
  const body = readFileSync(file);
  const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  const headers = {
    'Content-Type': types[extname(file.pathname)] ?? 'application/octet-stream',
    ETag: tag,
    'Cache-Control': 'no-cache, no-transform',
    'X-Content-Type-Options': 'nosniff',
    'Cross-Origin-Resource-Policy': 'same-origin',
  };
  return { body, tag, headers };
}
