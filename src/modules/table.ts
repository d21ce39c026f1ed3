import type { Module } from '../module.js';
import { coreModule } from './core/index.js';
import { httpdModule } from './httpd/index.js';
import { miHtmlModule } from './mi_html/index.js';
import { miHttpModule } from './mi_http/index.js';
import { statisticsModule } from './statistics/index.js';
import { usrlocModule } from './usrloc/index.js';

/** Modules that every server has; their commands come first, as in OpenSIPS. */
export const builtInModules: readonly Module[] = [statisticsModule, coreModule];

/** Modules that `loadmodule` knows by name. */
export const loadableModules: readonly Module[] = [httpdModule, miHttpModule, miHtmlModule, usrlocModule];
