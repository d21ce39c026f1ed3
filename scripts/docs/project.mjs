// What the pages of docs/reference ask the project for, straight from its source.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { root } from '../steps.mjs';

const exports = `
  export { usage } from './src/cli/arguments.ts';
  export { passwdUsage, tokenUsage } from './src/cli/accounts.ts';
  export { dumpUsage } from './src/cli/dump.ts';
  export { loadUsage } from './src/cli/load.ts';
  export { codes, MiError } from './src/mi/errors.ts';
  export { createServer } from './src/index.ts';
  export { loadableModules } from './src/modules/index.ts';
`;

/** Bundles what the pages need, since Node.js 20 reads no TypeScript, and imports it. */
export async function loadProject() {
  const outfile = join(root, 'build', `docs-${process.pid}.mjs`);
  try {
    await build({
      stdin: { contents: exports, resolveDir: root, loader: 'ts' },
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      packages: 'external',
      logLevel: 'warning',
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(outfile, { force: true });
  }
}
