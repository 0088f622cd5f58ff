// SPDX-License-Identifier: Apache-2.0
// What goes into and comes out of the common tasks of Hugging Face's pipelines.

import {
  array,
  bytes,
  float64,
  type Infer,
  int64,
  nullable,
  row,
  type SchemaType,
  string,
} from '../../schema/index.ts';

const label = row({ label: string, score: float64 });
const entity = row({
  entity: string,
  score: float64,
  index: int64,
  word: string,
  start: nullable(int64),
  end: nullable(int64),
});
const detected = row({
  score: float64,
  label: string,
  box: row({ xmin: int64, ymin: int64, xmax: int64, ymax: int64 }),
});
const ranked = row({ sequence: string, labels: array(string), scores: array(float64) });
const filled = row({ score: float64, token: int64, token_str: string, sequence: string });
const generated = row({ generated_text: string });

/** Example and inference types by task; images and audio are the bytes of a file. */
export const TASKS = {
  'text-classification': { example: string, inference: label },
  'sentiment-analysis': { example: string, inference: label },
  'feature-extraction': { example: string, inference: array(array(float64)) },
  'fill-mask': { example: string, inference: array(filled) },
  'text-generation': { example: string, inference: generated },
  'text2text-generation': { example: string, inference: generated },
  'token-classification': { example: string, inference: array(entity) },
  ner: { example: string, inference: array(entity) },
  'zero-shot-classification': { example: string, inference: ranked },
  summarization: { example: string, inference: row({ summary_text: string }) },
  translation: { example: string, inference: row({ translation_text: string }) },
  'question-answering': {
    example: row({ question: string, context: string }),
    inference: row({ score: float64, start: int64, end: int64, answer: string }),
  },
  'image-classification': { example: bytes, inference: array(label) },
  'object-detection': { example: bytes, inference: array(detected) },
  'image-to-text': { example: bytes, inference: generated },
  'audio-classification': { example: bytes, inference: array(label) },
  'automatic-speech-recognition': { example: bytes, inference: row({ text: string }) },
} as const satisfies Readonly<Record<string, { example: SchemaType; inference: SchemaType }>>;

/**
 * Tasks of Hugging Face's pipelines whose types are known. Summarization, translation,
 * text2text-generation, image-to-text and question-answering ended with transformers 5: for them set
 * `packages: ['transformers==4.57.1']`.
 */
export type HuggingfaceTask = keyof typeof TASKS;

/** Type of a task's examples. */
export type TaskExample<T extends HuggingfaceTask> = Infer<(typeof TASKS)[T]['example']>;
/** Type of a task's predictions. */
export type TaskInference<T extends HuggingfaceTask> = Infer<(typeof TASKS)[T]['inference']>;

/** Tasks that are given images. */
const IMAGES: ReadonlySet<string> = new Set([
  'image-classification',
  'object-detection',
  'image-to-text',
  'image-segmentation',
  'image-feature-extraction',
  'depth-estimation',
  'mask-generation',
]);

/** What bytes are to a task. */
export function contentOf(task: string | undefined): 'image' | undefined {
  return task !== undefined && IMAGES.has(task) ? 'image' : undefined;
}

/** The types of a task, if they are known. */
export function typesOf(task: string | undefined) {
  return task !== undefined && Object.hasOwn(TASKS, task)
    ? TASKS[task as HuggingfaceTask]
    : undefined;
}

/** How many lists are around the innermost values of a type. */
export function depthOf(type: SchemaType): number {
  if (type.kind === 'nullable') return depthOf(type.value);
  if (type.kind === 'tensor') return type.shape.length;
  if (type.kind === 'array' || type.kind === 'iterable') return 1 + depthOf(type.element);
  return 0;
}
