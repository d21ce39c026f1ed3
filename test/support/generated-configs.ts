// Configurations as OpenSIPS' own generator makes them, with the HTTP management interface switched on: three kinds of
// server for each version. They are put together from templates, test/data/config/generated/*.cfg, whose lines may say
// from which version (`@>=3.1`) and up to which (`@<3.0`) they are there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const versions = ['1.11', '2.1', '2.2', '2.3', '2.4', '3.0', '3.1', '3.2', '3.3', '3.4', '3.5', '3.6', '4.0'] as const;

const kinds = ['residential', 'trunking', 'loadbalancer'] as const;

export interface Generated {
  readonly name: string;
  readonly text: string;
}

const folder = 'test/data/config/generated';

function order(version: string): number {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major * 100 + minor;
}

/** The lines of a template that a version has. */
function expand(template: string, version: string): string {
  const isThere = (conditions: string): boolean =>
    conditions.split(/\s+/).every((condition) => {
      const [, relation, bound = ''] = /^@(>=|<)(.*)$/.exec(condition) ?? [];
      return relation === '<' ? order(version) < order(bound) : order(version) >= order(bound);
    });
  return template
    .split('\n')
    .flatMap((line) => {
      const [, conditions, rest = ''] = /^((?:@(?:>=|<)[\d.]+\s+)*@(?:>=|<)[\d.]+) ?(.*)$/.exec(line) ?? [];
      if (conditions === undefined) return [line];
      return isThere(conditions) ? [rest] : [];
    })
    .join('\n')
    .replaceAll('@VERSION', version);
}

/** All of them, each with the name of its file. */
export function generatedConfigs(): readonly Generated[] {
  const read = (name: string): string => readFileSync(join(folder, `${name}.cfg`), 'utf8');
  const [head, http] = [read('head'), read('http')];
  return versions.flatMap((version) =>
    kinds.map((kind) => ({
      name: `opensips_${kind}_${version}.cfg`,
      text: expand(head + read(kind).replace('@HTTP\n', http), version),
    })),
  );
}
