import type { Client } from '../../mi/call.js';
import type { CommandEntry } from '../../mi/command-table.js';
import type { ManagementInterface } from '../../mi/interface.js';
import type { CallParameters } from '../../mi/select.js';
import { ParamsKind, type RequestScanner } from '../../native.js';
import { discoverMethod, discovery } from './discovery.js';

/**
 * Turns what a scan found into a call. To be used before anything else runs: the ranges are those of the last scan,
 * and the body is only lent.
 */
export class CallReader {
  readonly #mi: ManagementInterface;
  readonly #scanner: RequestScanner;
  readonly #discovery: CommandEntry;

  constructor(mi: ManagementInterface, scanner: RequestScanner) {
    this.#mi = mi;
    this.#scanner = scanner;
    this.#discovery = discovery(mi);
  }

  /** The parameters, parsed; undefined when there are none. */
  given(body: Uint8Array | ArrayBuffer): CallParameters {
    const scanner = this.#scanner;
    if (scanner.paramsKind === ParamsKind.none) return undefined;
    return parse(body, scanner.paramsStart, scanner.paramsEnd) as CallParameters;
  }

  /** @throws MiError as {@link find} does */
  entry(body: Uint8Array | ArrayBuffer, client: Client): CommandEntry {
    return this.#mi.commands.entries[this.#scanner.command] ?? this.find(body, client);
  }

  /**
   * What a method names that is no command's.
   * @throws MiError -32601 or -32001, see {@link ManagementInterface.find}
   */
  find(body: Uint8Array | ArrayBuffer, client: Client): CommandEntry {
    const method = parse(body, this.#scanner.methodStart, this.#scanner.methodEnd) as string;
    return method === discoverMethod ? this.#discovery : this.#mi.find(method, client);
  }
}

function parse(body: Uint8Array | ArrayBuffer, start: number, end: number): unknown {
  const bytes =
    body instanceof Uint8Array
      ? Buffer.from(body.buffer, body.byteOffset + start, end - start)
      : Buffer.from(body, start, end - start);
  return JSON.parse(bytes.toString('utf8'));
}
