// A client that does not use this package: socat where it is installed, otherwise Python 3.
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { basename, dirname } from 'node:path'

const python = `
import socket, sys, threading
s = socket.socket(socket.AF_UNIX)
s.connect(bytes.fromhex(sys.argv[1]))
def send():
    while block := sys.stdin.buffer.read1(65536):
        s.sendall(block)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=send, daemon=True).start()
while block := s.recv(65536):
    sys.stdout.buffer.write(block)
`

function installed(program, ...args) {
  try {
    execFileSync(program, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The program's name and how to start it against an address, or undefined if there is none. */
export function foreignClient() {
  if (installed('socat', '-V'))
    return {
      name: 'socat',
      command: address =>
        address.startsWith('\0')
          ? ['socat', '-t', '10', 'STDIO', `ABSTRACT-CONNECT:${address.slice(1)}`]
          : ['socat', '-t', '10', 'STDIO', `UNIX-CONNECT:${basename(address)}`],
    }
  if (installed('python3', '-c', 'import socket; socket.AF_UNIX'))
    return {
      name: 'python3',
      command: address => ['python3', '-c', python, Buffer.from(address).toString('hex')],
    }
  return undefined
}

/** Sends `data` through the echo server at `address`, half-closes, and compares the SHA-256 of what comes back. */
export function exchange({ name, command }, address, data, milliseconds) {
  const [program, ...args] = command(address)
  // socat would read a path's punctuation as options, so it gets the bare name.
  const cwd = address.startsWith('\0') ? undefined : dirname(address)
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['pipe', 'pipe', 'pipe'] })
    const hash = createHash('sha256')
    let bytes = 0
    let stderr = ''
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      stderr = `not finished after ${milliseconds / 1000} s`
    }, milliseconds)
    child.stdout.on('data', chunk => {
      hash.update(chunk)
      bytes += chunk.length
    })
    child.stderr.on('data', text => void (stderr += text))
    child.on('error', error => void (stderr = error.message))
    // The program prints the reason if it ends before it has read everything.
    child.stdin.on('error', () => {})
    child.on('close', code => {
      clearTimeout(timer)
      if (code !== 0) return reject(new Error(`${name} failed: ${stderr.trim().split('\n').at(-1)}`))
      if (bytes !== data.length) return reject(new Error(`${name} got ${bytes} of ${data.length} bytes back`))
      if (hash.digest('hex') !== createHash('sha256').update(data).digest('hex'))
        return reject(new Error(`${name} got wrong bytes back: the SHA-256 differs`))
      resolve(bytes)
    })
    child.stdin.end(data)
  })
}
