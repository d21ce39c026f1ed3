// npm run build: the addon and the TypeScript, each if anything it is made from has changed.
import { buildAddon, buildTypeScript } from './steps.mjs';
import { requireNode } from './toolchain.mjs';

requireNode();
buildAddon();
buildTypeScript();
