// SPDX-License-Identifier: Apache-2.0
// The package onnxruntime-node, which users install if they want it: what we use of it, and loading it
// no earlier than a model needs it.

import { createRequire } from 'node:module';
import { BeamBridgeError } from '../../base/index.ts';

/** Numbers of a tensor, as onnxruntime holds them. */
export type OnnxData = ArrayBufferView | readonly string[];

/** A tensor of onnxruntime's. */
export interface OnnxTensor {
  readonly type: string;
  readonly data: OnnxData;
  readonly dims: readonly number[];
}

/** What a model says of an input or output. */
export interface OnnxPort {
  readonly name: string;
  readonly isTensor: boolean;
  /** Element type, such as `float32`. */
  readonly type?: string;
  /** A number, or the name of a dimension that any number fits. */
  readonly shape?: readonly (number | string)[];
}

/** A loaded model. */
export interface OnnxSession {
  readonly inputMetadata: readonly OnnxPort[];
  readonly outputMetadata: readonly OnnxPort[];
  run(
    feeds: Readonly<Record<string, OnnxTensor>>,
    fetches: readonly string[],
  ): Promise<Readonly<Record<string, OnnxTensor>>>;
  release(): Promise<void>;
}

/** What we use of the package. */
export interface OnnxRuntime {
  readonly InferenceSession: {
    create(path: string, options: Readonly<Record<string, unknown>>): Promise<OnnxSession>;
  };
  readonly Tensor: new (type: string, data: OnnxData, dims: readonly number[]) => OnnxTensor;
}

/** A model that is ready to be asked. */
export interface OnnxModel {
  readonly runtime: OnnxRuntime;
  readonly session: OnnxSession;
}

const PACKAGE = 'onnxruntime-node';

const handlers = new WeakSet<object>();

/** Says of a handler that it loads this package. */
export function usesOnnxRuntime<H extends object>(handler: H): H {
  handlers.add(handler);
  return handler;
}

/** The package with native code that a handler loads, if any. */
export function nativePackageOf(handler: object): string | undefined {
  return handlers.has(handler) ? PACKAGE : undefined;
}

/** @throws BeamBridgeError `PACKAGE_NOT_FOUND` when onnxruntime-node is not installed */
export function requireOnnxRuntime(): void {
  try {
    createRequire(import.meta.url).resolve(PACKAGE);
  } catch (cause) {
    throw new BeamBridgeError('PACKAGE_NOT_FOUND', `onnxLocal needs the package ${PACKAGE}`, {
      hint: `Install it beside beambridge: npm install ${PACKAGE}`,
      cause,
    });
  }
}

/** The package; its library of some 45 MB is loaded by the first call. */
export async function onnxRuntime(): Promise<OnnxRuntime> {
  return (await import(PACKAGE)) as OnnxRuntime;
}
