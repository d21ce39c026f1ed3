import { type LabelRule, type Labels, renamed } from './label-rules.js';

/** How the names of metrics are made; parameters of the module. */
export interface NamingOptions {
  readonly prefix: string;
  readonly delimiter: string;
  readonly groupPrefix: string;
  readonly groupLabel: string;
  /** 0: groups are not sent; 1: in names; 2: as labels. */
  readonly groupMode: number;
  readonly rules: readonly LabelRule[];
}

/** Rules for names that hold a number or a command, where the operator has none that fits. */
const ownRules: readonly LabelRule[] = [
  { group: 'mi', expression: /^(.+)-(calls|time_us)$/, substitution: 'command_\\2:command="\\1"' },
];

/** As OpenSIPS prints the load of its processes. */
const nodeRules: readonly LabelRule[] = [
  { group: 'load', expression: /^(load(?:1m|10m)?)-proc-?([0-9]+)$/, substitution: 'proc_\\1:id="\\2"' },
];

/** As it prints their memory, where the group is in the name. */
const memoryRule = { group: 'pkmem', expression: /^([0-9]+)-([A-Za-z0-9_]+)$/ } as const;

export interface Named {
  readonly name: string;
  readonly labels: Labels;
}

/** Makes names of metrics out of those of statistics. */
export class Naming {
  readonly #options: NamingOptions;
  readonly #ownRules: readonly LabelRule[];
  readonly #nodeRules: readonly LabelRule[];

  constructor(options: NamingOptions) {
    this.#options = options;
    const group = options.groupMode === 1 ? '' : 'pkmem_';
    this.#ownRules = [...options.rules, ...ownRules];
    this.#nodeRules = [...options.rules, ...nodeRules, { ...memoryRule, substitution: `${group}\\2:id="\\1"` }];
  }

  /** A metric that is no statistic. */
  own(name: string): string {
    return this.#joined([this.#options.prefix, name]);
  }

  /** @param node the OpenSIPS that the statistic is of; undefined: it is one of this server */
  statistic(group: string, name: string, node?: string): Named {
    const { prefix, groupPrefix, groupLabel, groupMode } = this.#options;
    const sent = groupPrefix + group;
    const nodeLabels: Labels = node === undefined ? [] : [['node', node]];
    const labels: Labels = groupMode === 2 ? [[groupLabel, sent], ...nodeLabels] : nodeLabels;
    const made = renamed(node === undefined ? this.#ownRules : this.#nodeRules, group, name);
    // Of two labels of one name, Prometheus takes none.
    const isClean = made !== undefined && !made.labels.some(([one]) => labels.some(([other]) => one === other));
    const parts = groupMode === 1 ? [prefix, mangled(sent)] : [prefix];
    if (!isClean) return { name: this.#joined([...parts, mangled(name)]), labels };
    return { name: this.#joined([...parts, mangled(made.name)]), labels: [...made.labels, ...labels] };
  }

  #joined(parts: readonly string[]): string {
    const name = parts.filter((part) => part !== '').join(this.#options.delimiter);
    return /^[0-9]/.test(name) ? `_${name}` : name;
  }
}

/** A name with what names of metrics cannot have replaced: each other character by "_". */
function mangled(text: string): string {
  return text.replace(/[^A-Za-z0-9_]/gu, '_');
}
