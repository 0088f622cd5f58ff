// SPDX-License-Identifier: Apache-2.0
// The image of TypeScript's workers: Node, npm for programs that travel as packages, and this package.

import { entryPoint, HOME, headOf, type ImageParts, ROOT, USER } from './parts.ts';

/** Its Dockerfile. */
export function typescriptImage(parts: ImageParts): string {
  const { base, tarball } = parts;
  return `${headOf(parts, 'TypeScript stages')}
FROM ${base} AS build
WORKDIR /build
COPY ${tarball} ./
RUN npm install --prefix ${ROOT} --omit=dev --no-audit --no-fund ./${tarball}

FROM ${base}
COPY --from=build ${ROOT} ${ROOT}
# Programs are kept there, also for a user that no image knows: OpenShift's are of group 0.
RUN install -d -o ${USER} -g 0 -m 0770 ${HOME}
ENV BEAMBRIDGE_HOME=${HOME} \\
    npm_config_cache=${HOME}/npm \\
    npm_config_update_notifier=false
WORKDIR ${HOME}
USER ${USER}
${entryPoint([`${ROOT}/node_modules/.bin/beambridge-worker`])}`;
}
