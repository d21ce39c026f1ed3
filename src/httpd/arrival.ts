import type { ArrivingRequest } from './access.js';
import { formatAddress, originOf } from './address.js';
import type { UwsRequest, UwsResponse } from './engine.js';
import type { ListenSetting } from './listen-setting.js';

/** A request as its access is decided on. One object serves all requests: it is only valid until the next. */
export class Arrival implements ArrivingRequest {
  #kind: ListenSetting['kind'] = 'http';
  #response: UwsResponse | undefined;
  #request: UwsRequest | undefined;

  of(kind: ListenSetting['kind'], response: UwsResponse, request: UwsRequest): this {
    this.#kind = kind;
    this.#response = response;
    this.#request = request;
    return this;
  }

  get authorization(): string {
    return this.#request?.getHeader('authorization') ?? '';
  }

  get origin(): string {
    const isUnix = this.#kind === 'unix';
    if (isUnix || this.#response === undefined) return originOf(isUnix, '');
    return originOf(false, formatAddress(new Uint8Array(this.#response.getRemoteAddress())));
  }

  get path(): string {
    return this.#request?.getUrl() ?? '';
  }
}
