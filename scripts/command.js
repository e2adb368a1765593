// One child process at a time: captured, bounded in time, and never left behind.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

// Milliseconds for which a grandchild may hold the output open after the child has ended.
const LINGER = 5_000

/** Returns the environment of children: the tools of node_modules on PATH, and no colours, because their output is parsed. */
function environment(overrides) {
  const { FORCE_COLOR: _, ...inherited } = process.env
  const path = [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter)
  return { ...inherited, PATH: path, NO_COLOR: '1', CARGO_TERM_COLOR: 'never', ...overrides }
}

/**
 * Runs `file` in the repository's root, or in `cwd`, with nothing on stdin. Never rejects: a program that cannot be started has `code` 127.
 * `output` is stdout and stderr as they came; `onStdout` gets stdout's chunks; after `timeout` milliseconds everything is killed.
 */
export function command(file, args, { cwd = root, env, timeout = 0, onStdout } = {}) {
  return new Promise(resolve => {
    const result = { code: 1, stdout: '', output: '' }
    // A process group of its own, so that the processes it started end with it.
    const child = spawn(file, args, {
      cwd,
      env: environment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const kill = signal => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal)
      } catch {
        // The group is gone already.
      }
    }
    const interrupt = signal => {
      kill(signal)
      process.exit(128 + constants.signals[signal])
    }
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
    const timers = []
    const settle = code => {
      timers.forEach(timer => clearTimeout(timer))
      signals.forEach(signal => process.off(signal, interrupt))
      resolve({ ...result, code })
    }

    signals.forEach(signal => process.on(signal, interrupt))
    if (timeout > 0) {
      const expire = () => {
        result.output += `\n${file}: not finished after ${timeout / 1000} s, killed\n`
        kill('SIGKILL')
      }
      timers.push(setTimeout(expire, timeout))
    }
    child.stdout.setEncoding('utf8').on('data', text => {
      result.stdout += text
      result.output += text
      onStdout?.(text)
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      result.output += text
    })
    child.on('error', error => {
      result.output += `${file}: ${error.message}\n`
      if (child.pid === undefined) settle(127)
    })
    child.on('exit', () => timers.push(setTimeout(() => kill('SIGKILL'), LINGER)))
    child.on('close', (code, signal) => {
      if (signal !== null) result.output += `\n${file}: ended by ${signal}\n`
      settle(code ?? 128 + constants.signals[signal])
    })
  })
}
