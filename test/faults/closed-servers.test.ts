// Servers that are closed: nothing of them stays, though the engine keeps all functions that it was ever given.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { bundle } from '../../scripts/bundle.mjs';
import { test } from '../support/test.js';
import { noOpenssl } from '../support/tls-files.js';
import { unless } from '../support/unless.js';

unless(noOpenssl, test)(
  'server, modules, tables and apps are collected once the server is closed',
  async ({ files }) => {
    const certificates = ['one', 'two'].map((name) => files.make(name, { key: 'ec' }).certFile.replace(/\.pem$/, ''));
    const script = bundle('test/support/faults/closed-servers.ts');
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--expose-gc',
      script,
      ...certificates,
      files.path('live'),
    ]);
    expect(JSON.parse(stdout)).toStrictEqual({ servers: 0, modules: 0, tables: 0, 'location services': 0 });
  },
);
