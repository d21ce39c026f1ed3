import { readFileSync } from 'node:fs';

/** Where a running server is reached. */
export interface LoadTarget {
  /** For messages. */
  readonly url: string;
  readonly isSecure: boolean;
  /** What `request` of node:http or node:https is given. */
  readonly options: {
    readonly hostname?: string;
    readonly port?: string;
    readonly socketPath?: string;
    readonly path: string;
    /** Certificates that the server's may be signed by, in place of those that Node.js trusts. */
    readonly ca?: string;
  };
}

/**
 * Reads `http://HOST:PORT/mi`, `https://HOST:PORT/mi` or, as the server prints it, `http://unix:/run/mi-httpd.sock:/mi`.
 *
 * @param caFile PEM file, for https
 * @returns undefined when the text is none of these
 * @throws Error naming the file that cannot be read, or that the URL has a name or password in it
 */
export function loadTarget(text: string, caFile: string | undefined): LoadTarget | undefined {
  const [, socketPath, localPath] = /^http:\/\/unix:(\/[^:]+):(\/.*)$/.exec(text) ?? [];
  if (socketPath !== undefined && localPath !== undefined) {
    return { url: text, isSecure: false, options: { socketPath, path: localPath } };
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') return undefined;
  if (url.username !== '' || url.password !== '') {
    throw new Error(
      'option --url has a name or password in it, which others would see; put them into a file for --login',
    );
  }
  // Brackets are the URL's, not the address's.
  const hostname = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const isSecure = url.protocol === 'https:';
  const options = {
    hostname,
    port: url.port,
    path: `${url.pathname}${url.search}`,
    ...(isSecure && caFile !== undefined ? { ca: readCertificates(caFile) } : {}),
  };
  return { url: url.href, isSecure, options };
}

function readCertificates(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`certificates cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}
