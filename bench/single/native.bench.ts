/**
 * How long the pieces of the hot path take in Rust, without Node.js: scanner, serializer, tables, escaping.
 * `node scripts/instructions.mjs` counts their instructions.
 *
 * Run: `npm run bench -- native [NAME]`
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const args = ['bench', '--locked', '--quiet', '--target-dir', resolve('build/benches'), '--bench', 'hot_path', '--'];
const { status } = spawnSync('cargo', [...args, ...process.argv.slice(2)], { cwd: 'crate/benches', stdio: 'inherit' });
process.exitCode = status ?? 1;
