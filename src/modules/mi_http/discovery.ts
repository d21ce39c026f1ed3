import { command } from '../../mi/command.js';
import type { CommandEntry } from '../../mi/command-table.js';
import type { ManagementInterface } from '../../mi/interface.js';
import type { JsonObject } from '../../mi/json.js';
import { describeService } from '../../mi/openrpc.js';
import { packageInfo } from '../../package-info.js';

/** The method that OpenRPC reserves for service discovery (OpenRPC 1.3, "Service Discovery Method"). */
export const discoverMethod = 'rpc.discover';

/**
 * The command behind {@link discoverMethod}. It stands in no table: `which` and `help` list MI commands, and JSON-RPC 2.0
 * §8 keeps names that begin with "rpc." for the protocol.
 */
export function discovery(mi: ManagementInterface): CommandEntry {
  const methods = mi.commands.methods();
  const documents = new Map<string, JsonObject>();
  const discover = command({
    name: discoverMethod,
    readOnly: true,
    help: 'Describes all MI commands as an OpenRPC document.',
    run: (_parameters, { client }) => {
      // What a caller may see decides what is described; one document for all who see the same.
      const visible = mi.visibleTo(client);
      const key = visible.map(({ number }) => number).join();
      const document = documents.get(key) ?? describeService(packageInfo, visible, methods);
      documents.set(key, document);
      return document;
    },
  });
  return { number: -1, command: discover, module: 'rpc', fullName: discoverMethod };
}
