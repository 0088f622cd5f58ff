// SPDX-License-Identifier: Apache-2.0
// Where the Python half lies: beside `src` in the repository, beside `dist` in the published package.

import { packagePath } from '../../base/index.ts';

/** Folder that holds the Python package `beambridge_host`, and `start.py`, which runs it. */
export const PYTHON_ENV_FOLDER = packagePath('python-env');
