import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import {
  abstractName,
  bindDatagram,
  connect,
  DatagramSocket,
  Descriptor,
  FramedSocket,
  listen,
  PacketSocket,
  UnixListener,
  UnixSocket,
  type UnixSocketPath,
} from '../../index.js'
import { Agent, fetch, HttpsAgent, serve, undiciConnector } from '../../http.js'
import net from '../../net.js'
import { directory, listening, pair } from '../helpers/sockets.js'
import { leavesNoDescriptors } from '../helpers/streams.js'
import { isBun } from '../helpers/runtimes.js'

leavesNoDescriptors(test)

type Failure = NodeJS.ErrnoException
// Bun's stacks have no frames of async functions, and other texts.
const hasV8Stacks = !isBun

/** What `call` throws or rejects with, and the function of the stack's first frame. */
async function failureOf(call: () => unknown): Promise<{ error: Failure; header: string; place: string }> {
  try {
    await call()
  } catch (error) {
    const [header = '', place = ''] = (error as Error).stack!.split('\n')
    return { error: error as Failure, header, place }
  }
  throw new Error('it did not fail')
}

test("the first line of an error's stack is the one that Node's errors have", async t => {
  const path = join(directory(t), 's')
  const calls: [string, string, () => unknown][] = [
    ['TypeError', 'ERR_INVALID_ARG_TYPE', () => connect(5 as never)],
    ['TypeError', 'ERR_INVALID_ARG_TYPE', () => abstractName(5 as never)],
    ['RangeError', 'ERR_OUT_OF_RANGE', () => listen(path, { backlog: -1 })],
    ['TypeError', 'ERR_INVALID_ARG_VALUE', () => listen(path, { onExisting: 'never' as never })],
    ['TypeError', 'ERR_INVALID_ARG_VALUE', () => connect('')],
    ['TypeError', 'ERR_ILLEGAL_CONSTRUCTOR', () => new UnixListener(undefined as never)],
    ['TypeError', 'ERR_INVALID_ARG_TYPE', () => undiciConnector(5 as never)],
    ['TypeError', 'ERR_INVALID_ARG_TYPE', () => new FramedSocket(5 as never)],
    ['TypeError', 'ERR_MISSING_ARGS', () => new net.Socket().connect({} as never)],
    ['TypeError', 'ERR_INVALID_ARG_TYPE', () => net.connect({ path: 5 } as never)],
  ]
  for (const [name, code, call] of calls) {
    const { error, header } = await failureOf(call)
    t.is(header, `${name} [${code}]: ${error.message}`)
    t.is(String(error), header)
    t.deepEqual([error.name, error.code, Object.keys(error)], [name, code, ['code']])
    t.false(error.message.includes(code))
  }
})

test("system errors and AbortErrors keep Node's shape", async t => {
  const path = join(directory(t), 's')
  const { error, header } = await failureOf(() => connect(path))
  t.is(header, `Error: connect ENOENT ${path}: no such file or directory`)
  t.deepEqual(
    [error.name, error.code, error.syscall, (error as { address?: string }).address],
    ['Error', 'ENOENT', 'connect', path],
  )
  const aborted = await failureOf(() => connect(path, { signal: AbortSignal.abort('why') }))
  t.is(aborted.header, 'AbortError: The operation was aborted')
  t.deepEqual(
    [aborted.error.name, aborted.error.code, aborted.error.cause],
    ['AbortError', 'ABORT_ERR', 'why'],
  )
})

if (hasV8Stacks)
  test("the first frame of an error's stack is the caller's", async t => {
    const { client, listener } = await pair(t)
    const path = join(directory(t), 's')
    const framed = new FramedSocket(client, { maxMessageLength: 2 })
    const { client: socket } = await pair(t)
    const closed = await listen(join(directory(t), 'closed'))
    await closed.close()
    const calls = {
      connectToNothing: () => connect(path),
      connectWithOption: () => connect(path, { timeout: -1 }),
      connectAborted: () => connect(path, { signal: AbortSignal.abort() }),
      listenOnNumber: () => listen(5 as unknown as UnixSocketPath),
      nameOfNumber: () => abstractName(5 as never),
      acceptWithOption: () => listener.accept({ signal: 1 as never }),
      acceptFromClosed: () => closed.accept(),
      readyWithOption: () => listener.ready({ signal: 1 as never }),
      closeWithOption: () => listener.close({ drain: 1 as never }),
      framedOfNumber: () => new FramedSocket(5 as never),
      framedSend: () => framed.send(5 as never),
      framedSendLong: () => framed.send('long'),
      framedSendCallback: () => framed.send('x', 5 as never),
      agentOfNumber: () => new Agent(5 as never),
      httpsAgentOfNumber: () => new HttpsAgent(5 as never),
      serveNumber: () => serve(5 as never, path),
      connectorOfNumber: () => undiciConnector(5 as never),
      framedEnd: () => framed.end('long'),
      framedSendAndWait: () => framed.sendAndWait('long'),
      newSocket: () => new (UnixSocket as never as new () => unknown)(),
      newListener: () => new (UnixListener as never as new () => unknown)(),
      newPacketSocket: () => new (PacketSocket as never as new () => unknown)(),
      newDatagramSocket: () => new (DatagramSocket as never as new () => unknown)(),
      newDescriptor: () => new (Descriptor as never as new () => unknown)(),
      writeOption: () => socket.write('x', { descriptor: 5 } as never),
      writeDescriptors: () => socket.write('x', { descriptors: 5 as never }),
      setTimeoutText: () => socket.setTimeout('x' as never),
      netSetTimeoutText: () => new net.Socket().setTimeout('x' as never),
      netConnectNumber: () => net.connect({ path: 5 } as never),
      netConnectPort: () => net.connect(80 as never),
      netConnectMode: () => net.connect({ path, objectMode: true } as never),
      netSocketConnect: () => new net.Socket().connect({} as never),
      netSocketMode: () => new net.Socket({ objectMode: true } as never),
      netSocketCalled: () => net.Socket({ objectMode: true } as never),
      netServerOfNumber: () => net.createServer(5 as never),
      netNewServerOfNumber: () => new net.Server(5 as never),
      netListen: () => net.createServer().listen({} as never),
    }
    for (const [name, call] of Object.entries(calls)) {
      const { place, error } = await failureOf(call)
      t.regex(place, new RegExp(`at (Object\\.)?${name} `), error.stack)
    }
  })

if (hasV8Stacks)
  test('an error that comes later begins its stack at the async function that awaits', async t => {
    const path = join(directory(t), 's')
    await listening(t)
    writeFileSync(path, '')
    async function startServer(): Promise<void> {
      await listen(path)
    }
    const { place, header } = await failureOf(startServer)
    t.regex(place, /at async startServer /)
    t.regex(header, /^Error: listen EADDRINUSE \//)
  })

test('an error of a user passes unchanged', async t => {
  const own = new TypeError('own')
  const { stack } = own
  const options = {
    get signal(): never {
      throw own
    },
  }
  for (const call of [() => connect('/nowhere', options), () => listen('/nowhere', options)])
    t.is((await failureOf(call)).error, own)
  t.is(own.stack, stack)
})

test('texts say what is wrong with an argument, and what to write', async t => {
  const path = join(directory(t), 's')
  const { client } = await pair(t)
  const messages = new FramedSocket(client)
  const datagrams = await bindDatagram()
  t.teardown(() => datagrams.close())
  const texts: [() => unknown, string][] = [
    [
      () => listen(path, { mode: 600 }),
      'options.mode must be an octal number from 0 to 0o777, such as 0o600; received 600',
    ],
    [
      () => listen(path, { mode: '600' as never }),
      'options.mode must be a number, such as 0o600; received "600"',
    ],
    [
      () => listen(path, { onExisting: 'replace' as never }),
      "options.onExisting is invalid: it must be one of 'error', 'replaceStale', 'takeOver', not 'replace'",
    ],
    [
      () => listen(path, { allow: 1000 as never }),
      "options.allow must be 'self' or { uids, gids }; received 1000",
    ],
    [
      () => listen(path, { allow: { uids: [1, 'root' as never] } }),
      'options.allow.uids[1] must be a number; received "root"',
    ],
    [
      () => connect(path, { busyPoll: 'always' as never }),
      'options.busyPoll must be \'auto\' or a number of microseconds; received "always"',
    ],
    [
      () => connect(path, { writeLimit: -1 }),
      'options.writeLimit must be an integer of 0 or more, or Infinity; received -1',
    ],
    [() => connect(path, { timeout: -1 }), 'options.timeout must be 0 ms or more; received -1'],
    [() => connect(path, { timeout: 5n as never }), 'options.timeout must be a number; received 5n'],
    [
      () => listen(undefined as never),
      'path must be a string, a file: URL, a Uint8Array or { fd }; received undefined',
    ],
    [
      () => bindDatagram(5 as never),
      'path must be a string, a file: URL, a Uint8Array, { autobind: true } or undefined; received 5',
    ],
    [
      () => datagrams.send('', { to: 5 as never }),
      'options.to must be a string, a file: URL or a Uint8Array; received 5',
    ],
    [
      () => serve((() => {}) as never, path),
      'server must be a server, such as that of http.createServer(application); received a function',
    ],
    [
      () => fetch('http://localhost/' as never, undefined as never),
      'url must be a string, a URL or a Request; received undefined',
    ],
    [() => new FramedSocket(messages.socket), 'socket is invalid: another FramedSocket reads from it'],
    [() => listen(join(path, 's')), `listen ENOENT ${path}/s: there is no directory ${path}`],
    [() => connect(join(path, 's')), `connect ENOENT ${path}/s: no such file or directory`],
  ]
  for (const [call, text] of texts) t.is((await failureOf(call)).error.message, text)
  writeFileSync(path, '')
  const { error } = await failureOf(() => connect(path))
  t.is(error.message, `connect ECONNREFUSED ${path}: no process listens there, or the file is no socket`)
})

test('EADDRINUSE names the option that helps, and never says to remove what may be no socket', async t => {
  const path = join(directory(t), 's')
  writeFileSync(path, 'precious')
  const texts: Record<string, RegExp> = {
    error: /a file exists there; options.onExisting 'replaceStale' replaces the socket file/,
    replaceStale: /it is no socket file of this process's user; nothing was replaced/,
    takeOver: /it is no stream socket file of this process's user; nothing was replaced/,
  }
  for (const [onExisting, text] of Object.entries(texts)) {
    const { error } = await failureOf(() => listen(path, { onExisting: onExisting as 'error' }))
    t.is(error.code, 'EADDRINUSE')
    t.regex(error.message, text)
    t.notRegex(error.message, /remove/)
    t.true(error.message.startsWith(`listen EADDRINUSE ${path}: `))
  }
  const listener = await listening(t, 'abstract name')
  const { error } = await failureOf(() => listen(listener.path))
  t.regex(error.message, /^listen EADDRINUSE @udsock-test-.*: a socket is bound to this name$/)
})
