import { BlockList, isIP } from 'node:net';

/**
 * A list of addresses and networks, `127.0.0.1, 192.0.2.0/24, 2001:db8::/32`.
 *
 * @throws RangeError naming the item that is neither
 */
export class AddressList {
  readonly #list = new BlockList();

  constructor(readonly text: string) {
    for (const item of text.split(',')) this.#add(item.trim());
  }

  /** Whether an address is in the list; what is none, such as one that is not known, is not. */
  includes(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }

  #add(item: string): void {
    if (item === '') throw new RangeError('beside a comma there is no address; give one, or remove the comma');
    const [address = '', prefix, ...rest] = item.split('/');
    const family = isIP(address);
    const bits = family === 6 ? 128 : 32;
    if (family === 0 || rest.length > 0) {
      throw new RangeError(
        `${JSON.stringify(item)} is neither an address nor a network; give one such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32`,
      );
    }
    if (prefix !== undefined && (!/^[0-9]{1,3}$/.test(prefix) || Number(prefix) > bits)) {
      throw new RangeError(`${JSON.stringify(item)} has the prefix length "${prefix}"; give 0 to ${bits}`);
    }
    this.#list.addSubnet(address, prefix === undefined ? bits : Number(prefix), family === 6 ? 'ipv6' : 'ipv4');
  }
}
