import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EngineHandlers, HostedServer, NodeHandler, RefusalReply } from '../engine.js';
import { addressOf } from './connection.js';
import { NodeReply, type ReplyConnection } from './reply.js';
import { NodeRequest } from './request.js';

/** Makes the handler of the requests of a host. For the limits each of them counts as a connection. */
export function nodeHandler(server: HostedServer): NodeHandler {
  return (message, response, next) => {
    const request = new NodeRequest(message);
    if (next !== undefined && !server.serves(request.path)) {
      next();
      return;
    }
    const { handlers } = server;
    if (handlers === undefined) {
      answer(response, { statusLine: '503 Service Unavailable', headers: [['Retry-After', '1']], body: '' });
      return;
    }
    serve(server, handlers, { message, request, response });
  };
}

interface Arrived {
  readonly message: IncomingMessage;
  readonly request: NodeRequest;
  readonly response: ServerResponse;
}

function serve(server: HostedServer, handlers: EngineHandlers, { message, request, response }: Arrived): void {
  const connection = new HostedConnection(message);
  const refuse = (status: number, reason: string): void =>
    answer(response, handlers.refusal(status, reason, request.wantsJson));
  let isOpen = true;
  handlers.opened({
    remoteAddress: connection.remoteAddress,
    tellsEveryReply: true,
    refuse: (reason) => {
      isOpen = false;
      refuse(503, reason);
    },
    close: () => {
      isOpen = false;
      connection.destroy();
    },
    onGone: () => {},
  });
  let reply: NodeReply | undefined;
  response.once('close', () => {
    handlers.closed(true);
    reply?.gone();
  });
  if (!isOpen) return;
  const reason = server.refusal(connection.remoteAddress);
  if (reason !== undefined) refuse(403, reason);
  else if (request.fault !== undefined) refuse(...request.fault);
  else if (message.readableDidRead)
    refuse(500, 'the body was read before it came here; mount this handler in front of what parses bodies');
  else {
    reply = new NodeReply(handlers.receiver, connection, message, response, {
      isContinueDue: false,
      tooMany: undefined,
    });
    reply.receiver.request(request, message.method ?? '', request.path, undefined);
  }
}

function answer(response: ServerResponse, { statusLine, headers, body }: RefusalReply): void {
  const fields = headers.flat();
  response.writeHead(Number(statusLine.slice(0, 3)), statusLine.slice(4), [
    ...fields,
    ...['Content-Length', String(Buffer.byteLength(body)), 'Connection', 'close'],
  ]);
  response.end(body);
}

/** The connection of a request of a host: it is the host's. */
class HostedConnection implements ReplyConnection {
  readonly remoteAddress: string;
  readonly certificate = undefined;
  isLast = false;
  readonly #message: IncomingMessage;

  constructor(message: IncomingMessage) {
    this.remoteAddress = addressOf(message.socket);
    this.#message = message;
  }

  destroy(): void {
    this.#message.socket.destroy();
  }
}
