// The frame of the suites that look for memory errors with another program's help: a debug build of the addon, traffic on
// each waker, and the reports that the program leaves in files.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { command, root } from './command.js'

const BUILD_TIMEOUT = 15 * 60_000
const RUN_TIMEOUT = 10 * 60_000

export const wakers = ['libuv', 'doorbell']

export class Instrumented {
  /** Target folder of the build. */
  #folder
  addon
  /** Where the reports go. */
  reports

  constructor(name) {
    this.#folder = join(root, 'target', name)
    this.addon = join(this.#folder, 'udsock.node')
    this.reports = join(this.#folder, 'reports')
    this.discardReports()
  }

  /** Builds the addon in debug mode, so that stacks have names and lines. Returns the result of `command()`. */
  async build({ target, env } = {}) {
    const choice = target === undefined ? [] : ['--target', target]
    const args = ['build', '--package', 'udsock-node', ...choice, '--target-dir', this.#folder]
    const built = await command('cargo', args, { env, timeout: BUILD_TIMEOUT })
    if (built.code !== 0) return built
    rmSync(this.addon, { force: true })
    copyFileSync(join(this.#folder, target ?? '', 'debug', 'libudsock_node.so'), this.addon)
    return built
  }

  discardReports() {
    rmSync(this.reports, { recursive: true, force: true })
    mkdirSync(this.reports, { recursive: true })
  }

  /** The reports since they were last discarded, each process's in a file of its own. */
  written() {
    return readdirSync(this.reports).map(file => readFileSync(join(this.reports, file), 'utf8'))
  }

  /**
   * Runs the traffic program on a waker, behind `launcher`; its arguments are `args`. Returns its `code` and `output`,
   * whether it was `complete`, and its `reports`.
   */
  async traffic(waker, args, { launcher = [], env } = {}) {
    this.discardReports()
    const program = [...launcher, process.execPath, '__test__/programs/traffic.js', ...args]
    const { code, output, stdout } = await command(program[0], program.slice(1), {
      env: {
        ...env,
        UDSOCK_WAKER: waker === 'doorbell' ? waker : '',
        NAPI_RS_NATIVE_LIBRARY_PATH: this.addon,
      },
      timeout: RUN_TIMEOUT,
    })
    return { code, output, complete: stdout.includes('"workers"'), reports: this.written() }
  }
}
