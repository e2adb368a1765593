// Server and client processes: started, placed on a CPU, queried, and ended by a deadline in any case.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { programOf } from './programs.js'

/** Milliseconds that a process may take to start, or to end once it has nothing left to do. */
const patience = 10_000

const running = new Set()

// The output of children is parsed, so it has no colours.
const plain = { ...process.env, NO_COLOR: '1' }
delete plain.FORCE_COLOR

/** Returns the line of a stack trace that has the error, or the last printed line. */
function complaint(stderr) {
  const lines = stderr.split('\n').filter(line => line.trim() !== '')
  return (
    lines.find(line =>
      /^(?:error: )?(?:Uncaught )?(?:\(in promise\) )?\w*(?:Error|Exception)\b/.test(line),
    ) ??
    lines.at(-1) ??
    ''
  ).trim()
}

class Child {
  #waiting = new Map()
  stdout = ''
  stderr = ''

  /** `end` is 'server' or 'client'. */
  constructor(end, spec, cpu) {
    this.label = `${spec.transport} ${end}`
    const program = programOf(end, spec, socketDirectory())
    const placed = cpu === undefined ? program : ['taskset', '--cpu-list', String(cpu), ...program]
    const [command, ...args] = placed
    const env = spec.sleeping ? { ...plain, UDSOCK_BUSY_POLL: 'never' } : plain
    this.process = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    running.add(this)
    this.process.stdout.on('data', text => void (this.stdout += text))
    this.process.stderr.on('data', text => void (this.stderr += text))
    this.process.on('message', message => this.#waiting.get(message.type)?.(message))
    this.ended = new Promise(resolve => {
      this.process.on('error', error => void (this.stderr += error.message))
      this.process.on('close', (code, signal) => {
        running.delete(this)
        const said = complaint(this.stderr)
        if (code !== 0) this.outcome = `ended with ${signal ?? `code ${code}`}${said && `: ${said}`}`
        resolve()
      })
    })
  }

  on(type, handler) {
    this.#waiting.set(type, handler)
  }

  send(message) {
    // The code that waits for a process reports its end.
    if (this.process.connected) this.process.send(message, () => {})
  }

  /** The next message of a type; throws if the process ends or the deadline passes first. */
  message(type, milliseconds = patience) {
    const arrived = new Promise(resolve => this.on(type, resolve))
    const gone = this.ended.then(() => {
      throw new Error(`${this.label} ${this.outcome ?? `ended before '${type}'`}`)
    })
    return this.#within(Promise.race([arrived, gone]), milliseconds, `'${type}' did not come`)
  }

  /** Until the process has ended by itself with code 0. */
  async end(milliseconds) {
    await this.#within(this.ended, milliseconds, 'did not end')
    if (this.outcome) throw new Error(`${this.label} ${this.outcome}`)
  }

  async #within(promise, milliseconds, failure) {
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => {
        this.kill()
        reject(new Error(`${this.label}: ${failure} within ${milliseconds / 1000} s`))
      }, milliseconds)
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }

  kill() {
    this.process.kill('SIGKILL')
  }
}

export class Server {
  #child

  static async start(spec, cpu) {
    const server = new Server()
    server.#child = new Child('server', spec, cpu)
    await server.#child.message('ready')
    return server
  }

  /** The answer to an order: 'usage' or 'memory'. */
  async ask(order) {
    const answer = this.#child.message(order)
    this.#child.send(order)
    return (await answer)[order]
  }

  /** CPU time so far, user and system, in microseconds. */
  async usage() {
    const { user, system } = await this.ask('usage')
    return user + system
  }

  /** Throws if the server had failed, or does not end by itself. */
  async stop() {
    this.#child.send('stop')
    await this.#child.end(patience)
  }

  /** How the server ended, if it has: a client that lost it may report its own error first. */
  async failure() {
    await Promise.race([this.#child.ended, delay(300)])
    return this.#child.outcome && `${this.#child.label} ${this.#child.outcome}`
  }

  kill() {
    this.#child.kill()
  }
}

/**
 * Runs one client against `server` and returns its result, `cpu` being both processes' in the measured window, in
 * microseconds. The whole run has `deadline` milliseconds. `onProgress` gets what a live client reports. The measured window
 * begins when the promise of `begin` resolves. The client loads its code and connects once the promise `ready` has resolved.
 */
export async function runClient(
  spec,
  { server, ready, cpu, deadline, onProgress = () => {}, begin = () => {} },
) {
  const child = new Child('client', spec, cpu)
  let serverUsage = 0
  const answering = (type, answer) =>
    child.on(type, async message => {
      try {
        child.send(await answer(message))
      } catch (error) {
        child.stderr = error.message
        child.kill()
      }
    })
  const counting = sign => async () => {
    serverUsage += sign * (await server.usage())
    return 'continue'
  }
  answering('loaded', async () => {
    await ready
    return 'connect'
  })
  answering('begin', async () => {
    await begin()
    return counting(-1)()
  })
  answering('end', counting(1))
  answering('ask', ({ order }) => server.ask(order))
  child.on('progress', onProgress)
  try {
    await child.end(deadline)
  } catch (error) {
    throw new Error([await server.failure(), error.message].filter(Boolean).join('; '), { cause: error })
  }
  const result = JSON.parse(child.stdout)
  return { ...result, clientCpu: result.cpu, serverCpu: serverUsage, cpu: result.cpu + serverUsage }
}

let directory

/** A directory for socket files that no other user can enter; it goes with this process, as do its children. */
export function socketDirectory() {
  if (directory === undefined) {
    directory = mkdtempSync(join(tmpdir(), 'udsock-'))
    process.on('exit', () => {
      for (const child of running) child.kill()
      rmSync(directory, { recursive: true, force: true })
    })
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1))
  }
  return directory
}

/** Descriptors that a process may have: Node.js raises its own limit to this one when it starts. */
export function descriptorLimit() {
  const limit = Number(execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }))
  return Number.isNaN(limit) ? Infinity : limit
}

/** The CPUs that processes may be placed on; empty where placing does not work. */
export function availableCpus() {
  try {
    const list = execFileSync('taskset', ['--cpu-list', '--pid', String(process.pid)], { encoding: 'utf8' })
    return list
      .slice(list.lastIndexOf(':') + 1)
      .trim()
      .split(',')
      .flatMap(range => {
        const [first, last = first] = range.split('-').map(Number)
        return Array.from({ length: last - first + 1 }, (_, i) => first + i)
      })
  } catch {
    return []
  }
}
