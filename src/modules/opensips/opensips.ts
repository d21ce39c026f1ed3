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
   * Runs a command of a node, whatever levels and limits callers from the network have.
   *
   * @param params by position or by name
   * @returns the result, parsed
   * @throws MiError as OpenSIPS answered it; -32000 without an answer; -32602 for a node that does not exist
   */
  async call(node: string, command: string, params?: CallParameters): Promise<JsonValue> {
    const found = this.#nodes.node(node);
    return found.ask(found.nameOf(command) ?? command, params);
  }

  /** How a node and its transports do. */
  health(node: string): UpstreamHealth {
    return this.#nodes.node(node).upstream.health();
  }
}
