import { spawnSync } from 'node:child_process';
import { PythonEnvironment } from '../python-environment.js';

const environment = new PythonEnvironment('prometheus-client', 'test/client/prometheus-requirements.txt');

/** Installs the parsers of the Prometheus project from PyPI; the reason when this machine cannot. */
export function installParsers(): string | undefined {
  return environment.install();
}

interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly unit: string;
  readonly help: string;
  readonly samples: readonly ParsedSample[];
}

export interface MetricsText {
  readonly form: 'text' | 'openmetrics';
  readonly text: string;
}

const program = `
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text
out = []
for page in json.load(sys.stdin):
    try:
        parse = openmetrics if page['form'] == 'openmetrics' else text
        families = [{'name': f.name, 'type': f.type, 'unit': f.unit, 'help': f.documentation,
                     'samples': [{'name': s.name, 'labels': s.labels, 'value': str(s.value)} for s in f.samples]}
                    for f in parse(page['text'])]
        out.append(families)
    except Exception as error:
        out.append(repr(error))
print(json.dumps(out))
`;

/** Parses pages by the parsers of prometheus_client; a fault of a page is a text. */
export function parseMetrics(pages: readonly MetricsText[]): readonly (readonly ParsedFamily[] | string)[] {
  const input = JSON.stringify(pages);
  const { stdout, stderr, status } = spawnSync(environment.python, ['-c', program], {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`the parsers ended with ${status}: ${stderr}`);
  const found = JSON.parse(stdout) as readonly (readonly ParsedFamily[] | string)[];
  return found.map((families) =>
    typeof families === 'string'
      ? families
      : families.map((family) => ({
          ...family,
          samples: family.samples.map((sample) => ({ ...sample, value: Number(sample.value) })),
        })),
  );
}

/** Why a program of the Debian package is not here; undefined: it is. */
export function lacking(program: 'prometheus' | 'promtool'): string | undefined {
  return spawnSync(program, ['--version']).status === 0
    ? undefined
    : `${program} is not here: apt-get install prometheus`;
}
