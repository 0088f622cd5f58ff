// SPDX-License-Identifier: Apache-2.0
// A column that is not what the file's own levels say.

/** Internal: a value is missing where the levels say that there is one. */
export class DamagedColumn {}
