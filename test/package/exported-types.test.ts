// Whoever writes code against the package can name every type that it shows.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { assert, expect, onTestFinished, test } from 'vitest';

/** One file of declarations: its own, by name, and where its imports and re-exports come from. */
interface Declarations {
  readonly texts: ReadonlyMap<string, string>;
  /** Those that other files can name. The rest are helpers, of which only what they come to is seen. */
  readonly nameable: ReadonlySet<string>;
  readonly imports: ReadonlyMap<string, { readonly file: string; readonly name: string }>;
}

const files = new Map<string, Declarations>();

function read(file: string): Declarations {
  const known = files.get(file);
  if (known !== undefined) return known;
  const text = readFileSync(file, 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const imports = new Map<string, { file: string; name: string }>();
  for (const [, names = '', from = ''] of text.matchAll(
    /^(?:import|export) (?:type )?\{([^}]*)\} from '([^']+)';$/gms,
  )) {
    if (!from.startsWith('.')) continue;
    for (const one of names.split(',').filter((part) => part.trim() !== '')) {
      const [name = '', local = name] = one
        .replace(/^\s*type\s/, '')
        .trim()
        .split(/\s+as\s+/);
      imports.set(local, { file: join(dirname(file), from.replace(/\.js$/, '.d.ts')), name });
    }
  }
  const texts = new Map<string, string>();
  const nameable = new Set<string>();
  const start = /^(?:export )?(?:declare )?(?:abstract )?(?:interface|type|class|function|const) (\w+)/;
  for (const part of text.split(/^(?=(?:export |declare |interface |type |abstract ))/m)) {
    const [, name] = start.exec(part) ?? [];
    if (name !== undefined && part.startsWith('export ')) nameable.add(name);
    if (name !== undefined) texts.set(name, (texts.get(name) ?? '') + part);
  }
  const declarations = { texts, nameable, imports };
  files.set(file, declarations);
  return declarations;
}

/** Follows a name to the file that declares it. */
function declared(file: string, name: string): { readonly file: string; readonly name: string } | undefined {
  const { texts, imports } = read(file);
  if (texts.has(name)) return { file, name };
  const from = imports.get(name);
  return from === undefined ? undefined : declared(from.file, from.name);
}

test('every type that the exported declarations refer to is exported', () => {
  const dist = mkdtempSync(join(tmpdir(), 'mi-httpd-types-'));
  onTestFinished(() => rmSync(dist, { recursive: true }));
  execFileSync('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json', '--outDir', dist]);
  const index = join(dist, 'index.d.ts');
  const exported = new Set<string>();
  const queue = [...read(index).imports.keys()].map((name) => declared(index, name));
  const all = new Set(queue.map((one) => `${one?.file}:${one?.name}`));
  const missing = new Set<string>();
  for (const one of queue) {
    assert(one !== undefined);
    if (exported.has(`${one.file}:${one.name}`)) continue;
    exported.add(`${one.file}:${one.name}`);
    // Of classes that are made by others nobody sees how.
    const isMade = /^(?:RecordTable|MiError|ParameterError|EventSocketError)$/.test(one.name);
    const text = read(one.file).texts.get(one.name) ?? '';
    const shown = isMade ? text : text.replaceAll(/^\s*constructor\([^;]*;/gm, '');
    for (const [word] of shown.matchAll(/\b[A-Za-z_]\w*\b/g)) {
      const found = word === one.name ? undefined : declared(one.file, word);
      if (found === undefined || !/^[A-Z]/.test(found.name) || !read(found.file).nameable.has(found.name)) continue;
      // What prints a reply, nobody else can use.
      if (dirname(found.file) === join(dist, 'native')) continue;
      if (!all.has(`${found.file}:${found.name}`)) missing.add(`${found.name} (${one.name}, ${found.file})`);
    }
  }
  expect([...missing].sort()).toStrictEqual([]);
  expect(exported.size, `${exported.size} types were looked at`).toBeGreaterThan(60);
});
