import test, { type ExecutionContext } from 'ava'
import { lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { connect, listen, type UnixSocket } from '../../index.js'
import { directory, eventually, places, receiveAll } from '../helpers/sockets.js'
import { Program, runs } from '../helpers/program.js'
import { fileURLToPath } from 'node:url'

const parent = fileURLToPath(new URL('../programs/parent.py', import.meta.url))
const child = fileURLToPath(new URL('../programs/inherited.js', import.meta.url))
const hasPython = runs('python3', '--version')
const withPython = hasPython ? test : test.skip
if (!hasPython) console.log('# inherited listeners: skipped, python3 is missing')

interface Report {
  /** What listen({ fd }) came to: a path, or an error's code and message. */
  outcome: string
  message: string
  /** The descriptor's flags in /proc, before, after, and whether it is open after close(). */
  before: string
  after: string
  open: boolean
}

/** A parent that makes a descriptor of this kind and passes it to a child that serves one connection. */
function family(t: ExecutionContext, kind: string, path: string): Program {
  return new Program(t, 'python3', [parent, kind, path, process.execPath, child])
}

const nonBlocking = 0o4000
const closeOnExec = 0o2000000
const flags = (text: string): number => parseInt(/flags:\s*([0-7]+)/.exec(text)?.[1] ?? '', 8)

withPython(
  'a listener that a parent made is served, and is never chmoded, unlinked or shut down',
  async t => {
    t.timeout(30_000)
    const path = places.path(t)
    const program = family(t, 'listener', path)
    await program.prints('serving')
    const before = lstatSync(path)
    const client = await connect(path)
    client.end('hello')
    t.is(String(await receiveAll(client)), 'hello')
    client.destroy()
    await program.prints('child ended')
    // The parent's descriptor still listens.
    const after = lstatSync(path)
    t.deepEqual([after.ino, after.mode, after.ctimeMs], [before.ino, before.mode, before.ctimeMs])
    const second: UnixSocket = await connect(path)
    t.is(String(await receiveAll(second)), 'from the parent')
    second.destroy()
    const { output, errors, code } = await program.ended
    t.deepEqual([code, errors], [0, ''])
    t.true(output.endsWith('\n1 descriptor taken'))
    const report = JSON.parse(output.split('\n').find(line => line.startsWith('{'))!) as Report
    t.is(report.outcome, path)
    // Node itself makes what it inherits close-on-exec.
    t.is(flags(report.before) & nonBlocking, 0)
    t.is(flags(report.after) & (nonBlocking | closeOnExec), nonBlocking | closeOnExec)
    t.false(report.open)
  },
)

const refusals: Record<string, [code: string, message: RegExp]> = {
  'stream that does not listen': ['EINVAL', /does not listen/],
  connection: ['EINVAL', /does not listen/],
  tcp: ['EAFNOSUPPORT', /not a Unix-domain socket/],
  datagrams: ['EPROTOTYPE', /not a stream socket/],
  packets: ['EPROTOTYPE', /not a stream socket/],
  file: ['ENOTSOCK', /not a socket/],
  pipe: ['ENOTSOCK', /not a socket/],
  closed: ['EBADF', /no open descriptor/],
}

for (const [kind, [code, message]] of Object.entries(refusals)) {
  withPython(`an inherited ${kind} is refused and stays as it was`, async t => {
    t.timeout(30_000)
    const program = family(t, kind, places.path(t))
    const { output, errors, code: exit } = await program.ended
    t.deepEqual([exit, errors], [0, ''])
    const report = JSON.parse(output.split('\n').find(line => line.startsWith('{'))!) as Report
    t.is(report.outcome, code)
    t.regex(report.message, message)
    t.regex(report.message, / fd \d+: /)
    t.is(report.after, report.before)
    t.is(report.open, kind !== 'closed')
  })
}

test('what is no descriptor is refused before any system call', async t => {
  for (const fd of [-1, 0.5, NaN, 2 ** 31])
    await t.throwsAsync(listen({ fd }), { code: 'ERR_OUT_OF_RANGE' }, String(fd))
  for (const fd of [undefined, null, '3', 3n, {}])
    await t.throwsAsync(listen({ fd: fd as never }), { code: 'ERR_INVALID_ARG_TYPE' }, String(fd))
  for (const wish of [
    { mode: 0o600 },
    { backlog: 4 },
    { unlinkOnClose: true },
    { onExisting: 'takeOver' },
  ] as const)
    await t.throwsAsync(listen({ fd: 3 }, wish), { code: 'ERR_INVALID_ARG_VALUE' }, JSON.stringify(wish))
  await t.throwsAsync(listen({ fd: 3 }, { signal: AbortSignal.abort() }), { code: 'ABORT_ERR' })
})

const withProc = process.platform === 'linux' ? test.serial : test.skip

withProc('a descriptor that a listener of this thread has is refused', async t => {
  const path = `${directory(t)}/s`
  const listener = await listen(path)
  const inode = /(\d+) \S*uds-\S*\/s$/m
  const number = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .find(line => line.endsWith(` ${path}`))!
    .match(inode)![1]
  let fd = 0
  for (; fd < 1000; fd++) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) === `socket:[${number}]`) break
    } catch {
      // Not open.
    }
  }
  await t.throwsAsync(listen({ fd }), { code: 'EBUSY', message: /owns it already/ })
  const client = await connect(path)
  client.destroy()
  await listener.close()
  await eventually('it is closed', () => listener.closed)
})

test('a descriptor that a Descriptor of this thread owns is refused, and stays open', async t => {
  const path = `${directory(t)}/s`
  const listener = await listen(path)
  const descriptor = listener.duplicate()
  await t.throwsAsync(listen({ fd: descriptor.fd }), { code: 'EBUSY', message: /owns it already/ })
  await listener.close()
  const heir = await listen({ fd: descriptor.release() })
  const [client, server] = await Promise.all([connect(path), heir.accept()])
  for (const socket of [client, server]) socket.destroy()
  await heir.close()
})
