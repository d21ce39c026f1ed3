// A program of a project that has installed the package.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './packed.js';

/** What the program has found. */
export interface Told {
  readonly engine: string;
  /** The reply to a call. */
  readonly reply: string;
  /** The addon, by its path below node_modules. */
  readonly addon: string;
  /** Status of each asset of a page. */
  readonly assets: readonly number[];
  /** Files of the package that were loaded, of its folder dist. */
  readonly loaded: readonly string[];
}

const hooks = `export const load = (url, context, next) => {
  process._rawDebug(url);
  return next(url, context);
};`;

const program = `import { createServer } from 'mi-httpd';
const silent = () => {};
const log = { debug: silent, info: silent, warn: silent, error: silent };
const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0, ...JSON.parse(process.argv[2]) }, log }).start();
const [url] = server.urls;
const headers = { 'Content-Type': 'application/json' };
const call = await fetch(url, { method: 'POST', headers, body: '{"jsonrpc":"2.0","method":"httpd_list_root_path","id":1}' });
const page = await (await fetch(url, { headers: { Accept: 'text/html' } })).text();
const links = [...page.matchAll(/(?:href|src)="?([^" >]+\\.(?:css|js))/g)].map(([, link]) => new URL(link, url));
const assets = await Promise.all(links.map(async (link) => (await fetch(link)).status));
const [addon] = process.report.getReport().sharedObjects.filter((path) => /mi-httpd\\.[^/\\\\]*\\.node$/.test(path));
const told = { engine: server.engine, reply: await call.text(), addon: addon.replaceAll('\\\\', '/').replace(/^.*\\/node_modules\\//, ''), assets };
await server.close();
console.log(JSON.stringify(told));
`;

/** Runs a program in the project that serves, asks itself, and ends. */
export async function useProgram(project: string, httpd: object = {}): Promise<Told> {
  writeFileSync(join(project, 'program.mjs'), program);
  const register = `data:text/javascript,${encodeURIComponent(
    `import { register } from 'node:module'; register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}));`,
  )}`;
  const script = `import { spawnSync } from 'node:child_process';
    const args = ['--import', ${JSON.stringify(register)}, 'program.mjs', process.argv[1]];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    const loaded = stderr.split('\\n').flatMap((line) => /mi-httpd\\/dist\\/([^/]+\\.js)$/.exec(line)?.[1] ?? []);
    console.log(JSON.stringify({ ...JSON.parse(stdout), loaded: [...new Set(loaded)].sort() }));`;
  const told = await run(process.execPath, ['--input-type=module', '-e', script, JSON.stringify(httpd)], project);
  return JSON.parse(told) as Told;
}
