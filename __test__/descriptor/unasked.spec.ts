import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { fileURLToPath } from 'node:url'
import { directory } from '../helpers/sockets.js'
import { Program, runs } from '../helpers/program.js'
import { join } from 'node:path'

const python = runs('python3', '--version') && process.platform === 'linux'
const strace = python && runs('strace', '-V')
const withPython = python ? test.serial : test.skip
const withStrace = strace ? test.serial : test.skip
if (!python) console.log('# descriptors of peers: skipped, this needs Linux and python3')
if (!strace) console.log('# descriptors of peers on other kernels: skipped, strace is missing')

const peer = fileURLToPath(new URL('../programs/rights.py', import.meta.url))
const program = fileURLToPath(new URL('../programs/rights.js', import.meta.url))

interface Outcome {
  received: string
  /** Milliseconds in which the event loop stood still at most. */
  longest: number
}

/** How the connection is made, and which role that leaves to the peer. */
const ways = {
  'listen()': ['listen', 'client'],
  "udsock/net's server": ['net-listen', 'client'],
  'connect()': ['connect', 'server'],
  "udsock/net's socket": ['net-connect', 'server'],
  'an inherited listener': ['listen-fd', 'parent'],
  "an inherited listener of udsock/net's": ['net-listen-fd', 'parent'],
} as const
type Way = keyof typeof ways

async function converse(
  t: ExecutionContext,
  way: Way,
  action: string,
  what: string,
  behind: string[] = [],
): Promise<Outcome> {
  t.timeout(30_000)
  const path = join(directory(t), 's')
  const [how, role] = ways[way]
  const command = [...behind, process.execPath, program, action, path, how]
  const python3 = (...args: string[]): Program => new Program(t, 'python3', [peer, role, what, path, ...args])
  const ours = (): Program => new Program(t, command[0]!, command.slice(1))
  let own: Program
  if (role === 'parent') {
    own = python3(...command)
  } else if (role === 'server') {
    const server = python3()
    await server.prints('listening')
    own = ours()
  } else {
    own = ours()
    await own.prints('listening')
    python3()
  }
  const { output } = await own.ended
  return JSON.parse(output.split('\n').at(-1)!) as Outcome
}

/** Far less than the 3 seconds for which the close of the peer's socket blocks. Tests run one at a time, so that none makes another pause. */
const pause = 1000

for (const way of Object.keys(ways) as Way[]) {
  withPython(`a peer's lingering socket does not stop the event loop (${way})`, async t => {
    const { received, longest } = await converse(t, way, 'read', 'linger')
    t.is(received, 'x')
    t.true(longest < pause, `${longest} ms`)
  })

  for (const action of way.endsWith('()') ? ['destroy', 'closeRead'] : ['destroy'])
    withPython(`nor does one that is unread at ${action}() (${way})`, async t => {
      const { longest } = await converse(t, way, action, 'linger')
      t.true(longest < pause, `${longest} ms`)
    })

  withPython(
    `bytes with and without descriptors, of two senders, arrive with one wake-up (${way})`,
    async t => {
      const { received } = await converse(t, way, 'busy', 'mixed')
      t.is(received, 'abcde')
    },
  )
}

withStrace('descriptors are refused before a socket listens or connects', async t => {
  for (const way of ['listen()', 'connect()'] as const) {
    const trace = join(directory(t), 'trace')
    const calls = 'trace=setsockopt,listen,connect'
    await converse(t, way, 'read', 'linger', ['strace', '-f', '-qq', '-o', trace, '-e', calls])
    const lines = readFileSync(trace, 'utf8').split('\n')
    const call = way === 'listen()' ? /\blisten\((\d+)/ : /\bconnect\((\d+), .*\/s"/
    const index = lines.findIndex(line => call.test(line))
    const [, fd] = call.exec(lines[index]!)!
    const refusal = new RegExp(`setsockopt\\(${fd}, SOL_SOCKET, (?:SO_PASSRIGHTS|0x53.*), \\[0\\], 4\\)`)
    t.true(
      lines.slice(0, index).some(line => refusal.test(line)),
      lines.slice(0, index + 1).join('\n'),
    )
  }
})

/** Kernels that are not here, by the answers that they would give. */
const kernels = {
  'that does not know the option': 'setsockopt:error=ENOPROTOOPT',
  'that reports success and refuses nothing': 'setsockopt:retval=0',
  'that answers every question with 0': 'getsockopt:retval=0',
  'that answers no question': 'getsockopt:error=ENOPROTOOPT',
}

for (const [kernel, inject] of Object.entries(kernels)) {
  const behind = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `inject=${inject}`]
  // Without answers the kind of an inherited descriptor is unknown, and it is refused.
  const known = (Object.keys(ways) as Way[]).filter(
    way => inject.startsWith('setsockopt') || ways[way][1] !== 'parent',
  )
  for (const way of known) {
    withStrace(`on a kernel ${kernel}, all bytes arrive with one wake-up (${way})`, async t => {
      const { received } = await converse(t, way, 'busy', 'mixed', behind)
      t.is(received, 'abcde')
    })
  }
  for (const way of ['listen()', 'connect()'] as const)
    withStrace(`on a kernel ${kernel}, a lingering socket does not stop the event loop (${way})`, async t => {
      const { received, longest } = await converse(t, way, 'read', 'linger', behind)
      t.is(received, 'x')
      t.true(longest < pause, `${longest} ms`)
    })
}
