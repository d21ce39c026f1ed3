import { coded } from '../../base/codes.js';
import { shorten } from '../../base/text.js';
import type { CommandEntry, ForeignCommands } from '../../mi/commands/command-table.js';
import { codes, invalidParams, MiAnswer, type MiError } from '../../mi/errors.js';
import { knownCommand, knownNames } from './levels.js';
import type { OpensipsNode } from './node.js';

const nodePrefix = 'node:';

/** With it every command of this server is found by any of its own names. */
const ownPrefix = 'mi-httpd:';

/** The number of the first command of a node: no command of this server has it. */
const firstNumber = 1 << 20;

/** The commands of all nodes, and which of several of one name is meant. */
export class Nodes implements ForeignCommands {
  readonly #nodes = new Map<string, OpensipsNode>();
  readonly #all: OpensipsNode[] = [];
  readonly #local: (name: string) => boolean;
  /** Answers of {@link #local}, by name: names of this server are few. */
  readonly #isLocal = new Map<string, boolean>();
  #next = firstNumber;
  #version = 1;
  #entries: readonly CommandEntry[] = [];

  /** Module whose commands here only read what a node has; undefined: none. */
  readonly #mirrored: string | undefined;
  /** True for a command of this server that changes nothing, by its full name. */
  readonly #onlyReads: (name: string) => boolean;

  /**
   * @param local true for a bare name that finds the command of this server, whatever the nodes have
   * @param mirrored module that mirrors a node: its commands that change something go to the node by their full names, too
   * @param onlyReads true for the full name of a command of this server that changes nothing
   */
  constructor(local: (name: string) => boolean, mirrored?: string, onlyReads: (name: string) => boolean = () => false) {
    this.#local = local;
    this.#mirrored = mirrored;
    this.#onlyReads = onlyReads;
  }

  /** Name of the node that is mirrored, the first of several; left out, that which bare names mean. */
  origin: string | undefined;

  /** The first one is that which bare names mean. @throws Error for a name that another has */
  add(node: OpensipsNode): void {
    if (this.#nodes.has(node.name)) {
      throw coded('ERR_PARAMETER', new Error(`two nodes have the name "${node.name}"; give one of them another`));
    }
    this.#nodes.set(node.name, node);
    this.#all.push(node);
  }

  get all(): readonly OpensipsNode[] {
    return this.#all;
  }

  nextNumber(): number {
    this.#next += 1;
    return this.#next;
  }

  /** Commands came or went. */
  changed(): void {
    this.#version += 1;
    this.#entries = this.all.flatMap(({ entries }) => entries);
  }

  /** @throws MiError -32602 */
  node(name: string): OpensipsNode {
    const node = this.#nodes.get(name);
    if (node !== undefined) return node;
    throw invalidParams(`no node ${shown(name)}; ${this.#known}`);
  }

  get entries(): readonly CommandEntry[] {
    return this.#entries;
  }

  get version(): number {
    return this.#version;
  }

  isOurs(text: string): boolean {
    if (text.includes(':') && !this.#isOfOrigin(text)) return true;
    const known = this.#isLocal.get(text) ?? this.#local(text);
    this.#isLocal.set(text, known);
    return known;
  }

  /** True for commands that would change the mirror in place of its origin. */
  #isOfOrigin(text: string): boolean {
    if (this.#mirrored === undefined || !text.startsWith(`${this.#mirrored}:`)) return false;
    const known = knownCommand(text);
    return known === undefined ? !this.#onlyReads(text) : !known.isReadOnly;
  }

  candidates(text: string, ours: (text: string) => readonly CommandEntry[]): readonly CommandEntry[] {
    if (text.startsWith(ownPrefix)) return ours(text.slice(ownPrefix.length));
    if (text.startsWith(nodePrefix)) {
      const { node, command } = this.#addressed(text);
      return node?.find(command) ?? [];
    }
    const own = ours(text);
    if (own.length > 0 && this.isOurs(text)) return own;
    const [first] = this.all;
    const meant = this.origin !== undefined && this.#isOfOrigin(text) ? this.#nodes.get(this.origin) : first;
    const theirs = meant?.find(text) ?? [];
    if (theirs.length > 0 || this.#isOfOrigin(text)) return theirs;
    const known = knownCommand(text);
    if (known === undefined || first === undefined) return own;
    // It will be that of OpenSIPS: until then it is not ours, which may do something else. One that ends a server, or changes how it
    // runs, is never ours in place of that of OpenSIPS.
    return first.isKnown && known.level !== 'admin' ? own : [];
  }

  mayHave(name: RegExp): boolean {
    return knownNames.some((known) => name.test(known));
  }

  missing(text: string, ours: () => readonly CommandEntry[]): MiError | undefined {
    if (text.startsWith(ownPrefix)) return undefined;
    if (text.startsWith(nodePrefix)) {
      const { node, name, command } = this.#addressed(text);
      if (node === undefined) return notFound(`no node ${shown(name)}; ${this.#known}`);
      return node.isKnown ? notFound(explained(node, command)) : node.missing(command);
    }
    const [first] = this.all;
    if (first === undefined) return undefined;
    if (!first.isKnown) return first.missing(text);
    if (knownCommand(text) === undefined) return undefined;
    const names = ours().map(({ fullName }) => fullName);
    const own = names.length === 0 ? '' : `; that of mi-httpd is ${names.join(', ')}`;
    return notFound(explained(first, text) + own);
  }

  #addressed(text: string): {
    readonly node: OpensipsNode | undefined;
    readonly name: string;
    readonly command: string;
  } {
    const slash = text.indexOf('/');
    const name = text.slice(nodePrefix.length, slash === -1 ? undefined : slash);
    return { node: this.#nodes.get(name), name, command: slash === -1 ? '' : text.slice(slash + 1) };
  }

  get #known(): string {
    return `known: ${[...this.#nodes.keys()].join(', ')}`;
  }
}

function explained(node: OpensipsNode, text: string): string {
  const known = knownCommand(text);
  if (known !== undefined) {
    return `OpenSIPS ${node.name} has no command ${shown(text)}; it is of module ${known.module}, which is not loaded there, or of another version`;
  }
  return `OpenSIPS ${node.name} has no command ${shown(text)}; \`which\` lists all commands`;
}

function notFound(data: string): MiError {
  return new MiAnswer(codes.methodNotFound, undefined, data);
}

function shown(text: string): string {
  return JSON.stringify(shorten(text, 64, '…'));
}
