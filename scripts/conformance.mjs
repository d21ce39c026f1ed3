// npm run conformance: what the recorded exchanges come to (test/conformance/README.md).
import { bundle } from './bundle.mjs';
import { buildAddon, installDependencies, run } from './steps.mjs';

installDependencies();
buildAddon();
run(process.execPath, [bundle('test/support/conformance/report.ts'), ...process.argv.slice(2)]);
