import { readFileSync } from 'node:fs';
import { packageFile } from './package-files.js';

const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as {
  version: string;
};

/** Name and version, as the MI command `version` and `mi-httpd -V` tell them. */
export const packageInfo = { name: 'mi-httpd', version } as const;
