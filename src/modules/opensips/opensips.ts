import type { JsonValue } from '../../base/json.js';
import type { CallParameters } from '../../mi/commands/parameters.js';
import type { Nodes } from './nodes.js';
import type { UpstreamHealth } from './upstream/transport.js';

/** The OpenSIPS servers of module opensips, for the program that the server runs in. */
export class Opensips {
  readonly #nodes: Nodes;

  /** For module opensips. */
  constructor(nodes: Nodes) {
    this.#nodes = nodes;
  }

  /** Names of the nodes, in the order in which they were given. */
  get nodes(): readonly string[] {
    return this.#nodes.all.map(({ name }) => name);
  }

  /**
   * Runs a command of a node, whatever levels and limits callers from the network have. Its result is parsed at once, which
   * is why it may have 4 MiB at most; {@link stream} gives longer ones.
   *
   * @param params by position or by name
   * @returns the result, parsed
   * @throws MiError as OpenSIPS answered it; -32000 without an answer; -32602 for a node that does not exist; RangeError
   *   (`ERR_NODE`) for a longer result
   */
  async call(node: string, command: string, params?: CallParameters): Promise<JsonValue> {
    const found = this.#nodes.node(node);
    return found.ask(found.nameOf(command) ?? command, params);
  }

  /**
   * As {@link call}, for a result of any length: its JSON as UTF-8, piece by piece, as OpenSIPS sends it. What is not read yet
   * waits in memory, then in a file; a loop that is left early gives up the rest.
   *
   * ```ts
   * for await (const piece of server.opensips?.stream('sip-1', 'ul_dump') ?? []) process.stdout.write(piece);
   * ```
   *
   * @param params by position or by name
   * @throws as {@link call}; also behind the first piece, where a result has no sound end
   */
  stream(node: string, command: string, params?: CallParameters): AsyncIterableIterator<Uint8Array> {
    const found = this.#nodes.node(node);
    return found.stream(found.nameOf(command) ?? command, params, {});
  }

  /** How a node and its transports do. */
  health(node: string): UpstreamHealth {
    return this.#nodes.node(node).upstream.health();
  }
}
