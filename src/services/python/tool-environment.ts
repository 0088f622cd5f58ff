// SPDX-License-Identifier: Apache-2.0
// The environment variables of pip and uv. Theirs can turn any option around: where something is installed,
// which versions, whether at all. How registries are reached is the user's affair, all else is ours.

/** Of Python itself: where it looks for modules. */
const PYTHON = ['PYTHONPATH', 'PYTHONHOME', 'VIRTUAL_ENV', 'PYTHONDONTWRITEBYTECODE'];

/** Registries, networks, caches, the tools' own logs. */
const KEPT = new RegExp(
  `^(?:${[
    'PIP_(?:INDEX_URL|EXTRA_INDEX_URL|NO_INDEX|FIND_LINKS|TRUSTED_HOST|PROXY|CERT|CLIENT_CERT)',
    'PIP_(?:CACHE_DIR|NO_CACHE_DIR|CONFIG_FILE|KEYRING_PROVIDER|TIMEOUT|DEFAULT_TIMEOUT|RETRIES|RESUME_RETRIES)',
    'PIP_(?:PREFER_BINARY|ONLY_BINARY|USE_FEATURE|USE_DEPRECATED|LOG|DISABLE_PIP_VERSION_CHECK)',
    'UV_(?:INDEX|INDEX_.*|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|INSECURE_HOST|KEYRING_PROVIDER)',
    'UV_(?:HTTP_.*|REQUEST_TIMEOUT|CONCURRENT_.*|OFFLINE|NATIVE_TLS|SYSTEM_CERTS|CREDENTIALS_DIR)',
    'UV_(?:CACHE_DIR|NO_CACHE|LINK_MODE|CONFIG_FILE|NO_CONFIG|NO_PROGRESS|LOG_CONTEXT|NO_BUILD)',
  ].join('|')})$`,
);

/** What a tool gets beside the program's own environment; `undefined` removes a variable. */
export function toolEnvironment(
  own: Readonly<Record<string, string>>,
  inherited: NodeJS.ProcessEnv = process.env,
): Record<string, string | undefined> {
  const removed = Object.keys(inherited).filter(
    (name) => /^(?:PIP|UV)_/.test(name) && !KEPT.test(name),
  );
  return {
    ...Object.fromEntries([...PYTHON, ...removed].map((name) => [name, undefined])),
    ...own,
    // Stronger than `user = true` in a configuration file, which the absence of the variable is not.
    PIP_USER: '0',
  };
}
