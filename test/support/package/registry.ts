// A registry that has the packages that were packed here, and sends clients to the one of this machine for all others.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { checkout, type Manifest, npm, type Packed, readManifest, run } from './packed.js';

export interface Registry {
  readonly url: string;
  close(): void;
}

export async function startRegistry(packed: Packed): Promise<Registry> {
  const upstream = (await npm(packed.copy, 'config', 'get', 'registry')).trim();
  const elsewhere = await emptyTarball(packed.copy);
  const paths = [packed.tarball, packed.platformTarball];
  const tarballs = new Map(paths.map((path) => [basename(path), readFileSync(path)]));
  const fileOf = (name: string): Buffer => tarballs.get(name) ?? elsewhere;
  const main = JSON.parse(await run('tar', ['-xzOf', packed.tarball, 'package/package.json'], packed.copy)) as Manifest;
  const platforms = readdirSync(join(checkout, 'npm')).map((name) => readManifest(join(checkout, 'npm', name)));
  const manifests = new Map([main, ...platforms].map((manifest) => [manifest.name, manifest]));
  const server = createServer((request, response) => {
    const path = (request.url ?? '').slice(1);
    const manifest = manifests.get(path);
    const url = `http://${request.headers.host}`;
    if (/^[^/@]+\.tgz$/.test(path)) response.end(fileOf(path));
    else if (manifest !== undefined || isEngineElsewhere(path)) {
      const told = manifest === undefined ? engineVersions(decodeURIComponent(path)) : [manifest];
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(document(told, url, fileOf)));
    } else response.writeHead(307, { Location: new URL(path, upstream).href }).end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** What a registry tells of a package, by the manifests of its versions. */
function document(manifests: readonly Manifest[], url: string, fileOf: (name: string) => Buffer): object {
  const versions = manifests.map((manifest) => {
    const file = `${manifest.name.replace('/', '-').replace('@', '')}-${manifest.version}.tgz`;
    const bytes = fileOf(file);
    const dist = {
      tarball: `${url}/${file}`,
      shasum: createHash('sha1').update(bytes).digest('hex'),
      integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}`,
    };
    return [manifest.version, { ...manifest, dist }] as const;
  });
  const [latest] = versions.at(-1) ?? [];
  return { name: manifests[0]?.name, 'dist-tags': { latest }, versions: Object.fromEntries(versions) };
}

/** In place of the packages of other platforms, which Yarn 1 fetches and does not install. */
async function emptyTarball(folder: string): Promise<Buffer> {
  mkdirSync(join(folder, 'build/empty/package'), { recursive: true });
  writeFileSync(join(folder, 'build/empty/package/package.json'), '{ "name": "empty", "version": "0.0.0" }');
  await run('tar', ['-czf', 'build/empty.tgz', '-C', 'build/empty', 'package'], folder);
  return readFileSync(join(folder, 'build/empty.tgz'));
}

const enginePath = /^@uwsjs(?:%2f|\/)([a-z0-9]+)-([a-z0-9]+)-([0-9]+)$/i;

/**
 * True for the engine of another platform, which no client has to fetch. Mirrors of the registry need not have it, and then
 * clients that want to know of it (yarn) fail.
 */
function isEngineElsewhere(path: string): boolean {
  const [, os, cpu] = enginePath.exec(path) ?? [];
  return os !== undefined && (os !== process.platform || cpu !== process.arch);
}

function engineVersions(name: string): readonly Manifest[] {
  const [, os = '', cpu = '', node = ''] = enginePath.exec(name) ?? [];
  const fits = { os: [os], cpu: [cpu], engines: { node: `>=${node} <${Number(node) + 1}` } };
  return ['20.51.4', '20.69.0'].map((version) => ({ name, version, ...fits }));
}
