#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The command `beambridge-worker`: `beambridge worker` for those who start one file, and give it nothing but
// the flags of Beam's container contract.

process.argv.splice(2, 0, 'worker');
await import('./main.ts');

export {};
