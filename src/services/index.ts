// SPDX-License-Identifier: Apache-2.0
// Processes and Python environments: start, ready, health, stop. The only room that starts processes.
// It may import `base` and execa.

export { type Host, type StartHostOptions, startHost } from './host/host.ts';
export {
  type Service,
  type ServiceExit,
  type ServiceOptions,
  startService,
} from './process/service.ts';
