// The first file of a thread that serves, and loads modules of the user's own: they get the same package as by an import of mi-httpd.
import { parentPort, workerData } from 'node:worker_threads';
import { refusalBody } from './gateway/jsonrpc-refusal.js';
import { Face } from './http/threads/face.js';
import type { FaceSettings } from './http/threads/protocol.js';
import * as api from './index.js';
import { rootInThread } from './modules/mi_http/in-threads.js';
import { ThreadModules } from './thread-modules.js';

const settings = workerData as FaceSettings;

if (parentPort !== null)
  new Face(parentPort, settings, refusalBody, (calls, log, tellHome) =>
    rootInThread(calls, log, tellHome, new ThreadModules(log, settings.index + 1, api)),
  );
