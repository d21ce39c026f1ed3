// The sources of the project as syntax trees, by the compiler's own parser.
import { join } from 'node:path';
import { NodeFlags, SyntaxKind } from 'typescript/unstable/ast';
import { API, SymbolFlags } from 'typescript/unstable/sync';
import { root } from '../steps.mjs';

export { NodeFlags, SymbolFlags, SyntaxKind };

/**
 * Parses the files of a tsconfig.json below a folder.
 *
 * @param use gets a map from path, relative to the folder, to tree, and the checker of types; both are gone once it has returned
 */
export function withSources(config, folder, use) {
  const api = new API({ cwd: root });
  try {
    const snapshot = api.updateSnapshot({ openProjects: [join(root, config)] });
    const [{ program, checker }] = snapshot.getProjects();
    const start = `${join(root, folder)}/`;
    const names = program.getSourceFileNames().filter((name) => name.startsWith(start));
    return use(new Map(names.sort().map((name) => [name.slice(start.length), program.getSourceFile(name)])), checker);
  } finally {
    api.close();
  }
}

/** Calls `visit` for each node of a tree, from the top. */
export function walk(node, visit) {
  visit(node);
  node.forEachChild((child) => walk(child, visit));
}
