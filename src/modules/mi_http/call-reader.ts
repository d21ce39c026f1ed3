import { randomUUID } from 'node:crypto';
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
  return bytes.length < longText || bytes.includes(backslash) ? JSON.parse(bytes.toString('utf8')) : parseLong(bytes);
}

/** Bytes of a text that is copied only once. */
const longText = 16_384;
const quote = '"'.charCodeAt(0);
const backslash = '\\'.charCodeAt(0);

/** Texts that are looked at: where there are more, none may be worth it. */
const mostTexts = 32;

/** Stands for a long text, with its number; no client can know it. */
const placeholder = randomUUID();

/**
 * JSON in which no character is escaped. A long text that is a member of it, or an element, is taken out first: parsed with the
 * rest, it would be in memory twice, and the collector would keep the first copy for long when it comes in between.
 */
function parseLong(bytes: Buffer): unknown {
  const texts: string[] = [];
  let rest = '';
  let at = 0;
  // Every second quote ends a text.
  let open = bytes.indexOf(quote);
  for (let count = 0; open >= 0 && count < mostTexts; count++) {
    const close = bytes.indexOf(quote, open + 1);
    if (close - open > longText) {
      rest += `${bytes.toString('utf8', at, open + 1)}${placeholder}${texts.length}`;
      texts.push(bytes.toString('utf8', open + 1, close));
      at = close;
    }
    open = bytes.indexOf(quote, close + 1);
  }
  const parsed: unknown = JSON.parse(rest + bytes.toString('utf8', at));
  let left = texts.length;
  const members = parsed as Record<string, unknown>;
  for (const name of left === 0 ? [] : Object.keys(members)) {
    const value = members[name];
    if (typeof value !== 'string' || !value.startsWith(placeholder)) continue;
    members[name] = texts[Number(value.slice(placeholder.length))];
    left -= 1;
  }
  // Some are names, or deeper, or were overwritten by a member of the same name.
  return left === 0 ? parsed : JSON.parse(bytes.toString('utf8'));
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
