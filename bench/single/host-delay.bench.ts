// Does the event loop of a program stay free while mi-httpd works in it? npm run bench -- host-delay [ROUNDS] [SECONDS]: how late
// timers are beside each kind of work, by turns with the bare engine and with the HTTP server of Node.js, that do the same by hand.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildClient } from '../load/client.js';
import { wrkMissing } from '../load/wrk.js';
import { describeMachine, makeCertificate } from '../machine.js';
import { bareUws, nodeHttp } from '../peers/by-hand.js';
import { miHttpd } from '../peers/mi-httpd.js';
import { hostDelay } from '../questions/host-delay.js';
import { Progress } from '../report/progress.js';
import { questionTable } from '../report/table.js';
import { planAll, rowsOf, runAll } from '../runner.js';
import { sampleReplies } from '../sample-replies.js';

const [rounds = '5', seconds = '2'] = process.argv.slice(2);
const missing = wrkMissing();
if (missing !== undefined) throw new Error(missing);
mkdirSync('build', { recursive: true });
buildClient();
const folder = mkdtempSync(join(tmpdir(), 'mi-httpd-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const place = { folder, certificate: makeCertificate(folder), replies: await sampleReplies(folder) };
const effort = { quick: false, seconds: Number(seconds), repeats: Number(rounds) };
const peers = [miHttpd, bareUws, nodeHttp];
const plan = planAll([hostDelay], peers, effort, place.certificate !== undefined);
const { measured, skipped } = await runAll(plan, place, new Progress(process.stderr));
const text = questionTable(hostDelay, rowsOf(measured), bareUws.name);
process.stdout.write(`${describeMachine()}; ${rounds} rounds of ${seconds} s\n\n${text ?? ''}\n`);
for (const { peer, case: name, reason } of skipped) process.stdout.write(`${peer}, ${name}: ${reason}\n`);
