// rolldown -c scripts/types.config.mjs: dist/index.d.cts, the public API alone, of the declarations that the compiler writes.
import { dts } from 'rolldown-plugin-dts';

export default {
  input: { index: 'types/index.d.ts' },
  plugins: [dts({ dtsInput: true, tsconfig: false })],
  external: [/^node:/],
  output: { dir: 'dist', format: 'es', entryFileNames: '[name].cts' },
};
