# SPDX-License-Identifier: Apache-2.0
"""Jars of a folder as one: `one-jar.py FOLDER JAR`.

Flink takes its time for each jar that comes with a job, however small it is: 164 of them are a dozen seconds. Of a class that several
have, the one of the jar with the first name counts, as in a class path; lists of services are put together.
"""

import os
import pathlib
import sys
import zipfile

SIGNATURES = ('.SF', '.RSA', '.DSA')
JOINED = 'META-INF/services/'
LEFT_OUT = ('META-INF/MANIFEST.MF', 'module-info.class')


def main(folder, target):
  seen = set()
  services = {}
  part = f'{target}.{os.getpid()}.part'
  with zipfile.ZipFile(part, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as whole:
    whole.writestr('META-INF/MANIFEST.MF', 'Manifest-Version: 1.0\nMulti-Release: true\n')
    for path in sorted(pathlib.Path(folder).glob('*.jar')):
      with zipfile.ZipFile(path) as jar:
        for name in jar.namelist():
          if name.startswith(JOINED) and not name.endswith('/'):
            services.setdefault(name, []).append(jar.read(name))
          elif not (name.endswith('/') or name in seen or is_left_out(name)):
            seen.add(name)
            whole.writestr(name, jar.read(name))
    for name, parts in services.items():
      whole.writestr(name, b'\n'.join(parts) + b'\n')
  os.replace(part, target)


def is_left_out(name):
  return name.endswith(LEFT_OUT) or (name.startswith('META-INF/') and name.upper().endswith(SIGNATURES))


if __name__ == '__main__':
  main(*sys.argv[1:])
