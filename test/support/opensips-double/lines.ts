import type { Ran } from './engine.js';

export interface LineRequest {
  readonly method: string;
  readonly replyName: string;
  readonly values: readonly string[];
}

/** Reads requests of 2.x: `:command:reply`, a line for each value, an empty line. */
export function readLines(text: string): LineRequest[] {
  const requests: LineRequest[] = [];
  for (const part of text.split('\n\n')) {
    const [first = '', ...values] = part.split('\n');
    const found = /^:([^:]*):(.*)$/.exec(first);
    if (found !== null) requests.push({ method: found[1] ?? '', replyName: found[2] ?? '', values });
  }
  return requests;
}

/** The names of the nodes that an array of 3.x was in 2.x. */
const nodeNames: Readonly<Record<string, string>> = {
  Processes: 'Process',
  Domains: 'Domain',
  AORs: 'AOR',
  Contacts: 'Contact',
};

/** Members that stand in the line of their node. */
const attributes = ['ID', 'PID', 'Type', 'hash_size', 'Q'];

/** Prints a reply of 2.x: a line with the status, and a tree. */
export function printReply(method: string, ran: Ran): string {
  if ('error' in ran) return `${ran.error.code < 0 ? 500 : ran.error.code} ${ran.error.message}\n`;
  const { result } = ran;
  if (result === 'OK') return '200 OK\n';
  if (method === 'which') return `200 OK\n${(result as string[]).map((name) => `${name}\n`).join('')}\n`;
  const lines: string[] = [];
  printNode(result, '', lines);
  return `200 OK\n${lines.map((line) => `${line}\n`).join('')}\n`;
}

function printNode(value: unknown, indent: string, lines: string[]): void {
  for (const [name, item] of Object.entries(value as object)) {
    if (!Array.isArray(item)) {
      lines.push(`${indent}${name}:: ${String(item)}`);
      continue;
    }
    const node = nodeNames[name] ?? name;
    for (const one of item as Record<string, unknown>[]) {
      const head = String(one.name ?? one[node] ?? '');
      const own = attributes.filter((attribute) => one[attribute] !== undefined);
      const tail = own.map((attribute) => ` ${attribute}=${String(one[attribute])}`).join('');
      lines.push(`${indent}${node}:: ${head}${tail}`);
      const below = Object.entries(one).filter(([key]) => key !== 'name' && key !== node && !own.includes(key));
      printNode(Object.fromEntries(below), `${indent}\t`, lines);
    }
  }
}
