import { packageFile } from '../base/package.js';
import { checkLayout } from './layout.js';

export type {
  NativeBodyPool,
  NativeRecordTable,
  NativeScanner,
  StandardOutput,
  // biome-ignore lint/style/noRestrictedImports: this is the one door to the addon
} from '../../native/binding.js';

type Addon = typeof import('../../native/binding.js');

/** crate/node, once its numbers are known to be those of layout.ts. Its objects free their state when they are collected. */
export const addon = await load();
// An addon of a version before the layout has none.
checkLayout(addon.layout?.() ?? {});

async function load(): Promise<Addon> {
  try {
    return (await import(packageFile('native/binding.js').href)) as Addon;
  } catch (cause) {
    const platform = `${process.platform}-${process.arch}`;
    const remedy =
      'where it is a dependency, install it again with optional dependencies (not with --omit=optional, and on the ' +
      'machine that runs it); from a clone, run npm run build there, with Rust, and npm install the path of the clone';
    throw new Error(`mi-httpd has no native addon for ${platform} here: ${remedy}`, { cause });
  }
}
