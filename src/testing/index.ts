// SPDX-License-Identifier: Apache-2.0
// What users import in tests of their own pipelines: assertions about PCollections. May import
// runners and what those may import.

export { assertContentsSatisfies, assertDeepEqual } from './assert.ts';
