// In place of src/http/engine/choose.ts where tests run on the HTTP server of Node.js.
import { Engines as ChosenEngines, type EngineOptions } from '#src/http/engine/choose.js';

export { mountOn, nodeHandlerOf } from '#src/http/engine/choose.js';

/** Engines that are those of Node.js unless a test asks for another one. */
export class Engines extends ChosenEngines {
  constructor(options: EngineOptions) {
    const { given, choice = 'auto' } = options;
    super({ ...options, choice: choice === 'auto' && given === undefined ? 'node' : choice });
  }
}
