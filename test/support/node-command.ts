// Builds the command that tests run on the HTTP server of Node.js: what is left to `auto` serves with that.
import { resolve } from 'node:path';
import { build } from 'esbuild';
import { nodeDist } from './engine.js';

export default async function setup(): Promise<void> {
  const standIn = resolve('test/support/node-engine.ts');
  await build({
    entryPoints: ['src/index.ts', 'src/main.ts'],
    outdir: nodeDist,
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
    plugins: [
      {
        name: 'node engine',
        setup: ({ onResolve }) => {
          onResolve({ filter: /^\.+\/(?:.*\/)?engine\/choose\.js$/ }, () => ({ path: standIn }));
        },
      },
    ],
  });
}
