import type { JsonObject } from '../../base/json.js';
import { packageInfo } from '../../base/package.js';
import type { Client } from '../../mi/calls/call.js';
import { command } from '../../mi/commands/command.js';
import type { CommandEntry } from '../../mi/commands/command-table.js';
import { describeService } from '../../mi/commands/openrpc.js';
import type { CallParameters } from '../../mi/commands/parameters.js';
import type { ManagementInterface } from '../../mi/management-interface.js';

/** Turns what a scan found into a call. To be used before anything else runs: the body is only lent. */
export class CallReader {
  readonly #mi: ManagementInterface;
  readonly #discovery: CommandEntry;

  constructor(mi: ManagementInterface) {
    this.#mi = mi;
    this.#discovery = discovery(mi);
  }

  /** The parameters at a range of a body, parsed; undefined when there are none, which ends at 0. */
  given(body: Uint8Array | ArrayBuffer, start: number, end: number): CallParameters {
    return end === 0 ? undefined : (parse(body, start, end) as CallParameters);
  }

  /** The method at a range of a body. */
  methodOf(body: Uint8Array | ArrayBuffer, start: number, end: number): string {
    return parse(body, start, end) as string;
  }

  /**
   * The command of a method, which the scanner does not know, at a range of a body.
   * @throws MiError -32601 or -32001, see {@link ManagementInterface.find}
   */
  find(body: Uint8Array | ArrayBuffer, start: number, end: number, client: Client): CommandEntry {
    const method = this.methodOf(body, start, end);
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

/** The method that OpenRPC reserves for service discovery (OpenRPC 1.3, "Service Discovery Method"). */
const discoverMethod = 'rpc.discover';

/**
 * The command behind {@link discoverMethod}. It stands in no table: `which` and `help` list MI commands, and JSON-RPC 2.0
 * §8 keeps names that begin with "rpc." for the protocol.
 */
function discovery(mi: ManagementInterface): CommandEntry {
  const documents = new Map<string, JsonObject>();
  let version = mi.commands.version;
  const discover = command({
    name: discoverMethod,
    readOnly: true,
    help: 'Describes all MI commands as an OpenRPC document.',
    run: (_parameters, { client }) => {
      // The document describes the commands that the caller may see; callers that see the same share one.
      const visible = mi.visibleTo(client);
      if (version !== mi.commands.version) documents.clear();
      version = mi.commands.version;
      const key = visible.map(({ number }) => number).join();
      const document = documents.get(key) ?? describeService(packageInfo, visible, mi.commands);
      documents.set(key, document);
      return document;
    },
  });
  return { number: -1, command: discover, module: 'rpc', fullName: discoverMethod, route: undefined };
}
