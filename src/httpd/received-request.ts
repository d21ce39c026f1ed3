import { isJsonType, namesJson } from './accept.js';
import type { Caller } from './caller.js';
import type { UwsRequest } from './engine.js';
import type { Field, Method } from './exchange.js';
import { beginsAsJson, FieldError, maxFormBytes, parseQuery, parseUrlencoded } from './fields.js';
import { settingName } from './listen-setting.js';
import type { ListenerOptions } from './listener.js';
import { parseMultipart } from './multipart.js';
import type { RequestHead } from './request-head.js';
import type { Root, RootMatch } from './roots.js';

const noBytes = new Uint8Array(0);
const noFields: readonly Field[] = [];

const multipart = 'multipart/form-data';

/** Whether a POST body of this type is a form, which any page can send anywhere. */
export function isFormType(mediaType: string): boolean {
  return mediaType === 'application/x-www-form-urlencoded' || mediaType === multipart;
}

/** The request of an exchange: what is kept of it, since the engine's own object is gone when its handler returns. */
export class ReceivedRequest {
  fields: readonly Field[] = noFields;
  caller: Caller | undefined = undefined;
  hasOrigin = false;
  /** Whether its caller is not known yet: it is not handed to its root before. */
  isHeld = false;
  /** Whether it could be handed to its root but for {@link isHeld}. */
  isWhole = false;
  method: Method = 'GET';
  path = '';
  query = '';
  mediaType = '';
  /** Content-Type as received. */
  #contentType = '';
  #accept = '';
  #body: Uint8Array | ArrayBuffer = noBytes;
  #kept: readonly string[] | undefined;

  constructor(
    public via: ListenerOptions,
    public root: Root,
  ) {}

  /** Begins another request; nothing stays of the one before. */
  protected beginRequest(
    via: ListenerOptions,
    { root, rest }: RootMatch,
    method: Method,
    query: string,
    head: RequestHead,
  ): void {
    this.via = via;
    this.root = root;
    this.method = method;
    this.path = rest;
    this.query = query;
    this.mediaType = head.mediaType;
    this.hasOrigin = head.hasOrigin;
    this.fields = noFields;
    this.caller = undefined;
    this.isHeld = false;
    this.isWhole = false;
    this.#contentType = head.contentType;
    this.#accept = head.accept;
    this.#body = noBytes;
    this.#kept = undefined;
  }

  get body(): Uint8Array {
    if (!(this.#body instanceof Uint8Array)) this.#body = new Uint8Array(this.#body);
    return this.#body;
  }

  get lentBody(): Uint8Array | ArrayBuffer {
    return this.#body;
  }

  get isUnix(): boolean {
    return this.via.setting.kind === 'unix';
  }

  get wantsJson(): boolean {
    return isJsonType(this.mediaType) || namesJson(this.#accept) || beginsAsJson(this.body);
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

  /**
   * Decodes {@link fields} of the whole body, or of the query.
   * @throws FieldError for a malformed form
   */
  readFields(): void {
    const { method, query, mediaType } = this;
    if (method !== 'POST') {
      if (query !== '') this.fields = parseQuery(query);
    } else if (this.root.declaration.body !== 'raw' && isFormType(mediaType)) {
      // Clients such as curl say that it is a form unless told otherwise; nobody may take a page for the result of a call.
      if (beginsAsJson(this.body)) throw new FieldError(415, `the body is JSON, and Content-Type says ${mediaType}`);
      if (this.body.length > maxFormBytes) {
        throw new FieldError(413, `a form of ${this.body.length} bytes is over the limit of ${maxFormBytes} bytes`);
      }
      this.fields = mediaType === multipart ? parseMultipart(this.body, this.#contentType) : parseUrlencoded(this.body);
    }
  }

  /** Keeps the headers that the root asks for. */
  keepHeaders(request: UwsRequest): void {
    const { keptHeaders, declaration } = this.root;
    if (keptHeaders.length === 0) return;
    if (declaration.keepsHeaders?.(this) !== false) this.#kept = keptHeaders.map((name) => request.getHeader(name));
  }

  /** Takes the whole body, or one that is lent until {@link dropBody}. */
  takeBody(body: Uint8Array | ArrayBuffer): void {
    this.#body = body;
  }

  /** Takes back a body that was only lent. */
  dropBody(): void {
    this.#body = noBytes;
  }
}
