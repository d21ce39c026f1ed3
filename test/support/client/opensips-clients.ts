import { join } from 'node:path';
import { PythonEnvironment } from '../python-environment.js';

const environment = new PythonEnvironment('opensips-clients', 'test/client/requirements.txt');

/** Python with the module opensips. */
export const { python } = environment;

export const cli = join(environment.folder, 'bin/opensips-cli');

/** Installs the real clients from PyPI, once per checkout; the reason when this machine cannot. */
export function installClients(): string | undefined {
  return environment.install();
}
