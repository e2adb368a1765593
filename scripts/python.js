// Servers in Python that the ecosystem's tests talk to, from PyPI into target/python.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { command, root } from './command.js'

const home = join(root, 'target', 'python')
const packages = { gunicorn: 'gunicorn', uwsgi: 'pyuwsgi' }

/** Installs each missing server into a folder of its own. Tests whose server could not be installed are skipped and listed. */
export async function installPythonServers() {
  for (const [name, specifier] of Object.entries(packages)) {
    const folder = join(home, name)
    if (existsSync(join(folder, 'bin', name))) continue
    // Only wheels: a source distribution would need a compiler and minutes.
    const options = ['--quiet', '--disable-pip-version-check', '--no-input', '--only-binary', ':all:']
    await command('python3', ['-m', 'pip', 'install', ...options, '--target', folder, specifier], {
      timeout: 5 * 60_000,
    })
  }
}
