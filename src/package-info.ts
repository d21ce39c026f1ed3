import { readFileSync } from 'node:fs';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Name and version, as the MI command `version` and `mi-httpd -V` tell them. */
export const packageInfo = { name: 'mi-httpd', version } as const;
