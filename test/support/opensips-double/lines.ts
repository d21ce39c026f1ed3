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
  Events: 'Event',
};

/** Members that stand in the line of their node. */
const attributes = ['ID', 'PID', 'Type', 'hash_size', 'Q', 'id'];

/** A node of 2.x. */
interface Node {
  readonly value: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly below: Tree;
}

/** Nodes by their names; one that is no array is a text. */
type Tree = Readonly<Record<string, string | readonly Node[]>>;

function treeOf(result: unknown): Tree {
  // An address of record alone is a node, too.
  const named = result as Record<string, unknown>;
  const whole = 'AOR' in named && 'Contacts' in named ? { AORs: [named] } : named;
  return Object.fromEntries(
    Object.entries(whole).map(([name, item]) => {
      if (!Array.isArray(item)) return [name, String(item)];
      const node = nodeNames[name] ?? name;
      return [node, item.map((one) => nodeOf(node, one as Record<string, unknown>))];
    }),
  );
}

function nodeOf(name: string, one: Record<string, unknown>): Node {
  const own = attributes.filter((attribute) => one[attribute] !== undefined);
  const below = Object.entries(one).filter(([key]) => key !== 'name' && key !== name && !own.includes(key));
  return {
    value: String(one.name ?? one[name] ?? ''),
    attributes: Object.fromEntries(own.map((attribute) => [attribute, String(one[attribute])])),
    below: treeOf(Object.fromEntries(below)),
  };
}

/** Prints a reply of 2.x: a line with the status, and a tree. */
export function printReply(method: string, ran: Ran): string {
  if ('error' in ran) return `${ran.error.code < 0 ? 500 : ran.error.code} ${ran.error.message}\n`;
  const { result } = ran;
  if (result === 'OK') return '200 OK\n';
  if (method === 'which') return `200 OK\n${(result as string[]).map((name) => `${name}\n`).join('')}\n`;
  const lines: string[] = [];
  printTree(treeOf(result), '', lines);
  return `200 OK\n${lines.map((line) => `${line}\n`).join('')}\n`;
}

function printTree(tree: Tree, indent: string, lines: string[]): void {
  for (const [name, item] of Object.entries(tree)) {
    if (typeof item === 'string') {
      lines.push(`${indent}${name}:: ${item}`);
      continue;
    }
    for (const { value, attributes: own, below } of item) {
      const tail = Object.entries(own).map(([attribute, text]) => ` ${attribute}=${text}`);
      lines.push(`${indent}${name}:: ${value}${tail.join('')}`);
      printTree(below, `${indent}\t`, lines);
    }
  }
}

/** Prints a result as mi_json of 2.x does. */
export function printJson(method: string, result: unknown): string {
  if (result === 'OK') return '';
  const value =
    method === 'which' ? { '': (result as string[]).map((name) => ({ value: name })) } : jsonOf(treeOf(result));
  return JSON.stringify(value).replaceAll('/', '\\/');
}

function jsonOf(tree: Tree): object {
  return Object.fromEntries(
    Object.entries(tree).map(([name, item]) => {
      // A node that has nothing is an empty object.
      if (typeof item === 'string') return [name, item === '' ? {} : item];
      return [
        name,
        item.map(({ value, attributes: own, below }) => ({
          ...(value === '' ? {} : { value }),
          ...(Object.keys(own).length === 0 ? {} : { attributes: own }),
          ...(Object.keys(below).length === 0 ? {} : { children: jsonOf(below) }),
        })),
      ];
    }),
  );
}
