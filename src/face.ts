// The first file of a thread that serves: it has the engine and its listeners, and none of what home has.
import { parentPort, workerData } from 'node:worker_threads';
import { refusalBody } from './gateway/jsonrpc-refusal.js';
import { Face } from './http/threads/face.js';
import type { FaceSettings } from './http/threads/protocol.js';
import { rootInThread } from './modules/mi_http/in-threads.js';

if (parentPort !== null) new Face(parentPort, workerData as FaceSettings, refusalBody, rootInThread);
