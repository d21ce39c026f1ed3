import type { ArrivingRequest } from './access.js';
import { formatAddress } from './address.js';
import type { UwsRequest, UwsResponse } from './engine.js';

/** A request as its access is decided on. One object serves all requests: it is only valid until the next. */
export class Arrival implements ArrivingRequest {
  #response: UwsResponse | undefined;
  #request: UwsRequest | undefined;

  of(response: UwsResponse, request: UwsRequest): this {
    this.#response = response;
    this.#request = request;
    return this;
  }

  get authorization(): string {
    return this.#request?.getHeader('authorization') ?? '';
  }

  get address(): string {
    return this.#response === undefined ? '' : formatAddress(new Uint8Array(this.#response.getRemoteAddress()));
  }

  get path(): string {
    return this.#request?.getUrl() ?? '';
  }
}
