import { checkRoot, type RootDeclaration } from './httpd/roots.js';
import type { HttpServer } from './httpd/server.js';
import type { Roots } from './module.js';
import { OwnContext } from './own-context.js';

/** The registry of root paths for modules of the user's own: their handlers run in a context of their own, as commands do. */
export function rootRegistry(httpd: HttpServer): Roots {
  const context = new OwnContext();
  return Object.freeze({
    registerRoot(declaration: RootDeclaration): void {
      checkRoot(declaration);
      // What else is in the declaration is inherited, also where it is an instance of a class.
      const own = Object.create(declaration) as { -readonly [Name in 'onRequest' | 'onFlush']?: RootDeclaration[Name] };
      own.onRequest = (exchange) => context.run(requested, declaration, exchange);
      const { onFlush } = declaration;
      if (onFlush !== undefined) {
        own.onFlush = (exchange, position, max) =>
          context.run(() => onFlush.call(declaration, exchange, position, max), undefined, undefined);
      }
      httpd.registerRoot(own as RootDeclaration);
    },
  });
}

function requested(declaration: RootDeclaration, exchange: Parameters<RootDeclaration['onRequest']>[0]) {
  return declaration.onRequest(exchange);
}
