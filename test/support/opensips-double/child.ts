import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { bundle } from '../../../scripts/bundle.mjs';
import type { DoubleOptions, OpensipsDouble } from './index.js';

/** A double in a process of its own. */
export interface DoubleProcess {
  readonly transports: OpensipsDouble['transports'];
  /** Where its FIFOs are. */
  readonly folder: string;
  /** How it ended: 139 is what a shell tells of a process that died of SIGSEGV. */
  readonly exit: Promise<number | null>;
  close(): Promise<void>;
}

/** Starts a double as a process. */
export async function startDouble(
  options: DoubleOptions & { readonly contacts?: number; readonly dialogs?: number; readonly userAgent?: string } = {},
): Promise<DoubleProcess> {
  const program = bundle('test/support/opensips-double/program.ts');
  const child = spawn(process.execPath, [program, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'ignore'] });
  const exit = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const lines = createInterface({ input: child.stdout });
  const line = await new Promise<string>((resolve, reject) => {
    lines.once('line', resolve);
    child.once('exit', (code) => reject(new Error(`the double ended with ${code}`)));
  });
  const { folder, ...transports } = JSON.parse(line) as OpensipsDouble['transports'] & { folder: string };
  return {
    transports,
    folder,
    exit,
    close: async () => {
      child.stdin.end();
      await exit;
    },
  };
}
