import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Server } from '#src/index.js';
import { withResolvers } from './mi-client.js';

/** A reader of server-sent events, as programs have one. */
export class EventReader {
  readonly #messages: { readonly id: string | undefined; readonly kind: string; readonly data: unknown }[] = [];
  #rest = '';
  #wake: (() => void) | undefined;
  isAtEnd = false;

  private constructor(
    readonly request: ClientRequest,
    readonly response: IncomingMessage,
  ) {
    response.setEncoding('utf8');
    response.on('data', (text: string) => this.#read(text));
    response.on('close', () => {
      this.isAtEnd = true;
      this.#wake?.();
    });
    response.on('error', () => {});
  }

  static async open(server: Server, path: string, headers: Record<string, string> = {}): Promise<EventReader> {
    const asked = request(`${server.urls[0]}${path}`, { headers: { Accept: 'text/event-stream', ...headers } }).end();
    asked.on('error', () => {});
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    return new EventReader(asked, response);
  }

  #read(text: string): void {
    const blocks = (this.#rest + text).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line] as const));
      const value = (name: string): string | undefined => fields.get(name)?.slice(name.length + 2);
      const data = value('data');
      if (data === undefined) continue;
      this.#messages.push({ id: value('id'), kind: value('event') ?? 'message', data: JSON.parse(data) });
    }
    this.#wake?.();
  }

  /** The next message; undefined at the end of the stream. */
  async next(): Promise<
    { readonly id: string | undefined; readonly kind: string; readonly data: unknown } | undefined
  > {
    while (this.#messages.length === 0 && !this.isAtEnd) {
      const { promise, resolve } = withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    return this.#messages.shift();
  }

  close(): void {
    this.request.destroy();
  }
}
