import type { UwsRequest } from './engine.js';
import type { Field, Method } from './exchange.js';
import { settingName } from './listen-setting.js';
import type { ListenerOptions } from './listener.js';
import { mediaTypeOf } from './request-head.js';
import type { Root } from './roots.js';

const noBytes = new Uint8Array(0);
const noFields: readonly Field[] = [];

/** The request of an exchange: what is kept of it, since the engine's own object is gone when its handler returns. */
export class ReceivedRequest {
  body: Uint8Array = noBytes;
  fields: readonly Field[] = noFields;
  readonly mediaType: string;
  #kept: readonly string[] | undefined;

  constructor(
    readonly via: ListenerOptions,
    readonly root: Root,
    readonly method: Method,
    readonly path: string,
    readonly query: string,
    /** Content-Type as received. */
    readonly contentType: string,
  ) {
    this.mediaType = mediaTypeOf(contentType);
  }

  get isSecure(): boolean {
    return this.via.setting.kind === 'https';
  }

  get listener(): string {
    return settingName(this.via.setting);
  }

  argument(name: string): string | undefined {
    return this.fields.find((field) => field.name === name)?.value;
  }

  arguments(name: string): string[] {
    return this.fields.filter((field) => field.name === name).map(({ value }) => value);
  }

  header(name: string): string | undefined {
    const index = this.root.keptHeaders.indexOf(name.toLowerCase());
    if (index === -1) {
      const { module, root } = this.root.declaration;
      throw new TypeError(
        `request header ${name} is not kept; add it to the headers of root "${root}" of module ${module}`,
      );
    }
    return this.#kept?.[index] || undefined;
  }

  /** Keeps the headers that the root asks for. */
  keepHeaders(request: UwsRequest): void {
    const { keptHeaders, declaration } = this.root;
    if (keptHeaders.length === 0) return;
    const read = (name: string): string => request.getHeader(name);
    if (declaration.keepsHeaders?.(this, read) !== false) this.#kept = keptHeaders.map(read);
  }

  /** Takes back a body that was only lent. */
  dropBody(): void {
    this.body = noBytes;
  }
}
