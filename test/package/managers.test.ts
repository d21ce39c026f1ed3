// What `npm run pack` leaves, installed by several package managers. npm's usual way is in package.test.ts.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { emptyProject, npm, type Packed, packEverything, readManifest, run } from '../support/package/packed.js';
import { useProgram } from '../support/package/programs.js';
import { type Registry, startRegistry } from '../support/package/registry.js';
import { unless } from '../support/unless.js';

const only = process.env.MI_HTTPD_ALL === '1' ? false : 'npm run test:all runs it';

/** Package managers, fetched once at these versions, by the file of each that is run. */
const managers = {
  pnpm: { spec: 'pnpm@10.34.9', program: 'pnpm/bin/pnpm.cjs' },
  yarn1: { spec: 'yarn-classic@npm:yarn@1.22.22', program: 'yarn-classic/bin/yarn.js' },
  yarn4: { spec: '@yarnpkg/cli-dist@4.18.1', program: '@yarnpkg/cli-dist/bin/yarn.js' },
};

type Manager = keyof typeof managers;

const fetched = resolve('build/managers');

unless(only, describe)('the packages are installed', () => {
  let packed: Packed;
  let registry: Registry;
  const folders: string[] = [];

  beforeAll(async () => {
    packed = await packEverything();
    folders.push(packed.copy);
    registry = await startRegistry(packed);
    mkdirSync(fetched, { recursive: true });
    writeFileSync(join(fetched, 'package.json'), '{ "private": true }');
    const specs = Object.values(managers).map(({ spec }) => spec);
    await npm(fetched, 'install', ...specs, '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund');
  });

  afterAll(() => {
    registry?.close();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  /** A project of its own, with what a manager keeps between runs inside. */
  const newProject = (settings: Readonly<Record<string, string>> = {}): string => {
    const project = emptyProject();
    folders.push(project);
    for (const [name, text] of Object.entries(settings)) writeFileSync(join(project, name), text);
    return project;
  };

  const manage = (project: string, manager: Manager, ...args: readonly string[]): Promise<string> => {
    const place = join(project, '.kept');
    return run(process.execPath, [join(fetched, 'node_modules', managers[manager].program), ...args], project, {
      npm_config_registry: registry.url,
      npm_config_store_dir: place,
      YARN_REGISTRY: registry.url,
      YARN_CACHE_FOLDER: place,
      YARN_GLOBAL_FOLDER: place,
      YARN_NPM_REGISTRY_SERVER: registry.url,
      YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
      YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
      YARN_ENABLE_TELEMETRY: 'false',
      // Of what was packed a moment ago too.
      YARN_NPM_MINIMAL_AGE_GATE: '0',
    });
  };

  const inside = (name: string): string => `${name}/mi-httpd.${packed.platform}.node`;
  const pair = (): string => inside(`mi-httpd-${packed.platform}`);
  const whole = (): string => inside('mi-httpd/native');

  test('by npm, from files of both', async () => {
    const project = newProject();
    const files = [packed.tarball, packed.platformTarball];
    await npm(
      project,
      'install',
      ...files,
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      `--registry=${registry.url}`,
    );
    expect((await useProgram(project)).addon).toBe(pair());
  });

  test('by npm --install-links, from a clone that was built, which is gone then', async () => {
    const project = newProject();
    const clone = newProject();
    // As the copy has node_modules by a link, and npm looks at what is there.
    await run('tar', ['-xzf', packed.selfContained, '-C', clone, '--strip-components=1'], clone);
    await npm(project, 'install', '--install-links', clone, '--prefer-offline', '--no-audit', '--no-fund');
    rmSync(clone, { recursive: true });
    expect((await useProgram(project)).addon).toBe(whole());
  });

  for (const manager of ['pnpm', 'yarn1'] as const) {
    test(`by ${manager}`, async () => {
      const both = newProject();
      await manage(both, manager, 'add', 'mi-httpd');
      expect((await useProgram(both)).addon).toMatch(new RegExp(`${pair()}$`));
      const one = newProject();
      await manage(one, manager, 'add', `file:${packed.selfContained}`);
      expect((await useProgram(one)).addon).toMatch(new RegExp(`${whole()}$`));
    });
  }

  test('by yarn 4', async () => {
    const settings = { '.yarnrc.yml': 'nodeLinker: node-modules\n', 'yarn.lock': '' };
    const both = newProject(settings);
    await manage(both, 'yarn4', 'add', 'mi-httpd');
    expect((await useProgram(both)).addon).toBe(pair());
    const one = newProject(settings);
    await manage(one, 'yarn4', 'add', `mi-httpd@file:${packed.selfContained}`);
    expect((await useProgram(one)).addon).toBe(whole());
    expect(readManifest(one).dependencies).toStrictEqual({ 'mi-httpd': `file:${packed.selfContained}` });
  });
});
