// SPDX-License-Identifier: Apache-2.0
// What a host imports before it is ready, for expansions and for the workers that are forks of it.

const ALWAYS = ['beambridge_host.inference.inference'];

const BY_EXTRA: Readonly<Record<string, readonly string[]>> = {
  sklearn: ['beambridge_host.handlers.sklearn'],
  xgboost: ['beambridge_host.handlers.xgboost'],
  onnx: ['beambridge_host.handlers.onnx'],
  torch: ['beambridge_host.handlers.pytorch'],
  huggingface: ['beambridge_host.handlers.huggingface'],
  tensorflow: ['beambridge_host.handlers.tensorflow'],
};

/** Modules worth importing early in a host with these extras. */
export function preloadFor(extras: readonly string[]): string[] {
  return [...new Set([...extras.flatMap((extra) => BY_EXTRA[extra] ?? []), ...ALWAYS])];
}
