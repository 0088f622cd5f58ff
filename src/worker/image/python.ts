// SPDX-License-Identifier: Apache-2.0
// The image of Python's workers: what a managed environment of the same extras has, at the same versions
// with the same hashes, and the Python package of ours that runs there.

import { basename } from 'node:path';
import { pythonBoot, pythonRequirements } from '../../services/index.ts';
import { entryPoint, HOME, headOf, type ImageParts, invalid, quoted, ROOT, USER } from './parts.ts';

const PIP = `${ROOT}/venv/bin/pip install --no-cache-dir --disable-pip-version-check`;

/**
 * Its Dockerfile.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`
 */
export async function pythonImage(
  parts: ImageParts,
  extras: readonly string[],
  packages: readonly string[],
): Promise<string> {
  const { base, tarball } = parts;
  const broken = packages.find((spec) => /[\r\n]/.test(spec));
  if (broken !== undefined) {
    throw invalid(`${JSON.stringify(broken)} is no Python package`, 'Name packages as pip does.');
  }
  const here = packages.find((spec) =>
    /^[./~]|^file:|@\s*file:|^-|^(?!.*:\/\/).*\.(?:whl|zip|tar\.gz)$/.test(spec),
  );
  if (here !== undefined) {
    throw invalid(
      `the package ${here} is a file of this machine, which is not in the image`,
      'Name packages as an index has them; add lines to the printed text for files.',
    );
  }
  const { files } = await pythonRequirements(extras, packages);
  const { command, env } = pythonBoot(`${ROOT}/venv/bin/python`, `${ROOT}/python-env`);
  return `${headOf(parts, 'Python stages')}
FROM ${base} AS build
WORKDIR /build
COPY ${tarball} ./
RUN tar -xzf ${tarball} \\
  && mkdir -p ${ROOT} \\
  && cp -R package/python-env ${ROOT}/python-env \\
  && python -m venv ${ROOT}/venv
RUN ${PIP} --require-hashes${files
    .map((file) => ` \\\n  --requirement package/python-env/requirements/${basename(file)}`)
    .join('')}
${further(packages)}
FROM ${base}
COPY --from=build ${ROOT} ${ROOT}
RUN install -d -o ${USER} -g 0 -m 0770 ${HOME}
ENV HOME=${HOME} \\
    ${Object.entries(env)
      .map(([name, value]) => `${name}=${value}`)
      .join(' \\\n    ')}
WORKDIR ${HOME}
USER ${USER}
${entryPoint(command)}`;
}

/** None of them may change what is pinned. */
function further(packages: readonly string[]): string {
  if (packages.length === 0) return '';
  return `RUN ${ROOT}/venv/bin/pip freeze > pins.txt \\
  && ${PIP} --constraint pins.txt \\
  ${packages.map(quoted).join(' \\\n  ')}
`;
}
