import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs a script that may fail. */
export async function outcome(
  file: string,
  args: readonly string[],
): Promise<{ code: unknown; stdout: string; stderr: string }> {
  try {
    return { code: 0, ...(await run(process.execPath, [file, ...args], { timeout: 100_000 })) };
  } catch (error) {
    return error as { code: unknown; stdout: string; stderr: string };
  }
}
