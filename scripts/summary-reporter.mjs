// A reporter of vitest whose one line is the last that a run prints: how many tests passed, failed and were skipped.
export default class Summary {
  #line = '';

  constructor() {
    process.once('exit', () => process.stdout.write(this.#line));
  }

  /** A file that cannot be loaded and an error outside of all tests are failures too. */
  onTestRunEnd(modules, errors) {
    const counts = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      counts.failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state === 'pending' ? 'skipped' : state] += 1;
      }
    }
    this.#line = `\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`;
  }
}
