import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { Socket as NetSocket } from 'node:net'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { adopt, Descriptor, socketpair, type SocketPairOptions, UnixSocket } from '../../index.js'
import { Socket } from '../../net.js'
import { Program, runs } from '../helpers/program.js'
import {
  atOnce,
  closed,
  codeOf,
  descriptors,
  descriptorsAtRest,
  eventually,
  once,
  receive,
  receiveAll,
} from '../helpers/sockets.js'

function sockets(t: ExecutionContext, options?: SocketPairOptions): [UnixSocket, UnixSocket] {
  const pair = socketpair(options)
  t.teardown(() => {
    for (const socket of pair) socket.destroy()
  })
  return pair
}

test.serial('a pair leaves no descriptor', async t => {
  const [first, second] = socketpair()
  first.destroy()
  second.destroy()
  await closed(first, second)
  const before = await descriptorsAtRest()
  for (let round = 0; round < 50; round++) {
    const pair = socketpair()
    for (const socket of pair) socket.destroy()
    await closed(...pair)
  }
  t.is(descriptors(), before)
})

test.serial('a detached socket leaves no descriptor but the one that was given away', async t => {
  const before = await descriptorsAtRest()
  const [one, other] = sockets(t)
  const descriptor = await one.detach()
  t.is(descriptors(), before + 2)
  descriptor.close()
  other.destroy()
  await eventually('the descriptors are closed', () => descriptors() <= before)
})

test('two sockets of a pair are connected to each other', async t => {
  const [one, other] = sockets(t)
  one.end('there')
  other.end('and back')
  t.is(String(await receiveAll(other)), 'there')
  t.is(String(await receiveAll(one)), 'and back')
  t.is(one.peer.uid, process.getuid!())
  t.is(one.remotePath, undefined)
  t.is(one.localPath, undefined)
})

test('socketpair() checks its options', t => {
  t.throws(() => socketpair({ type: 'datagrams' as never }), { code: 'ERR_INVALID_ARG_VALUE' })
  t.throws(() => socketpair({ highwaterMark: 1 } as never), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /did you mean 'highWaterMark'/,
  })
  t.throws(() => socketpair({ receiveDescriptors: 254 }), { code: 'ERR_OUT_OF_RANGE' })
})

test('node:net takes a detached descriptor, and gets what was in the kernel', async t => {
  const [one, other] = sockets(t)
  one.write('before')
  const descriptor = await other.detach()
  t.is(descriptor.kind, 'socket')
  one.end(' and after')
  const net = new NetSocket({ fd: descriptor.release() })
  net.end('from node:net')
  t.is(String(await receiveAll(net)), 'before and after')
  t.is(String(await receiveAll(one)), 'from node:net')
})

test('detach() sends what was written, however long the peer takes', async t => {
  const [one, other] = sockets(t)
  const bytes = Buffer.alloc(4 * 1024 * 1024, 'x')
  one.write(bytes)
  one.write('the end')
  const detached = one.detach()
  t.is(await atOnce(detached), 'pending')
  one.write('!')
  const got = receive(other, bytes.length + 8)
  const descriptor = await detached
  t.is((await got).subarray(bytes.length).toString(), 'the end!')
  // It is open still.
  const again = await adopt(descriptor, { type: 'stream' })
  again.end('again')
  t.is(String(await receiveAll(other)), 'again')
})

test('detach() rejects while bytes are unread, and the socket goes on', async t => {
  const [one, other] = sockets(t)
  one.write('unread')
  other.once('readable', () => {})
  await eventually('the bytes are in the stream', () => other.readableLength === 6)
  await t.throwsAsync(other.detach(), {
    code: 'ERR_INVALID_STATE',
    message: '6 bytes were received and not read; read them before detach()',
  })
  t.is(String(other.read()), 'unread')
  one.write('more')
  t.is(String(await receive(other, 4)), 'more')
  const descriptor = await other.detach()
  t.is(descriptor.kind, 'socket')
  descriptor.close()
})

test('bytes that arrive in the turn in which detach() is called are delivered or left in the kernel', async t => {
  for (let round = 0; round < 50; round++) {
    const [one, other] = sockets(t)
    const parts: string[] = []
    const detached = new Promise<Descriptor>((resolve, reject) => {
      other.on('data', chunk => {
        parts.push(String(chunk))
        if (parts.length === 1) other.detach().then(resolve, reject)
      })
    })
    for (let part = 0; part < 20; part++) {
      one.write('0123456789'.repeat(1 + part * 50))
      if (part % 3 === 0) await new Promise(setImmediate)
    }
    const rest = await adopt(await detached, { type: 'stream' })
    one.end()
    const expected = Array.from({ length: 20 }, (_, part) => '0123456789'.repeat(1 + part * 50)).join('')
    t.is(parts.join('') + String(await receiveAll(rest)), expected)
    rest.destroy()
  }
})

test('a reader that is added while detach() waits gets nothing until the call has failed', async t => {
  const [one, other] = sockets(t)
  const detached = codeOf(one.detach())
  const received = receive(one, 6)
  other.write('for it')
  one.end()
  t.is(await detached, 'ERR_INVALID_STATE')
  t.is(String(await received), 'for it')
})

test('detach() of a socket that has ended, or is closed, is an error', async t => {
  const [one, other] = sockets(t)
  one.end()
  await t.throwsAsync(one.detach(), { code: 'ERR_INVALID_STATE' })
  other.destroy()
  await t.throwsAsync(other.detach(), { code: 'ERR_INVALID_STATE', message: /is closed/ })
  const [waiting, peer] = sockets(t)
  waiting.write(Buffer.alloc(4 * 1024 * 1024))
  const detached = waiting.detach()
  await t.throwsAsync(waiting.detach(), { code: 'ERR_INVALID_STATE', message: /before/ })
  waiting.on('error', () => {})
  peer.destroy()
  const error: NodeJS.ErrnoException = await t.throwsAsync(detached)
  t.true(['EPIPE', 'ECONNRESET'].includes(error.code!), error.code)
})

test('a detached socket emits close, and neither end nor error', async t => {
  const [one] = sockets(t)
  const events: string[] = []
  for (const event of ['end', 'error', 'close']) one.on(event, () => events.push(event))
  const closing = once(one, 'close')
  const descriptor = await one.detach()
  await closing
  t.deepEqual(events, ['close'])
  t.true(one.destroyed)
  descriptor.close()
})

test('a child has a detached socket as its standard input and output', async t => {
  const [one, other] = sockets(t)
  const descriptor = await other.detach()
  const child = spawn('cat', { stdio: [descriptor.fd, descriptor.fd, 'inherit'] })
  descriptor.close()
  one.end('through the child')
  t.is(String(await receiveAll(one)), 'through the child')
  if (child.exitCode === null) await once(child, 'exit')
})

const python = runs('python3', '--version')
;(python ? test : test.skip)('another program has a detached socket, which waits in its calls', async t => {
  const [one, other] = sockets(t)
  const descriptor = await other.detach()
  const program = 'import socket\ns = socket.socket(fileno=0)\ns.sendall(s.recv(100).upper())'
  const child = spawn('python3', ['-c', program], { stdio: [descriptor.fd, 'inherit', 'inherit'] })
  descriptor.close()
  // Python does not start in less than a turn, and must find no EAGAIN either way.
  setTimeout(() => one.write('slowly'), 300)
  t.is(String(await receiveAll(one)), 'SLOWLY')
  if (child.exitCode === null) await once(child, 'exit')
})

const pairs = {
  stream: () => socketpair(),
  seqpacket: () => socketpair({ type: 'seqpacket' }),
  datagram: () => socketpair({ type: 'datagram' }),
}

for (const [type, pairOf] of Object.entries(pairs))
  test(`a worker adopts a detached socket (${type})`, async t => {
    const [one, other] = pairOf()
    t.teardown(() => one.destroy())
    const number = (await other.detach()).release()
    const worker = new Worker(new URL('../programs/adopting-worker.js', import.meta.url), {
      workerData: number,
    })
    const exited = once(worker, 'exit')
    const answer = once(one, one instanceof UnixSocket ? 'data' : 'message')
    if (one instanceof UnixSocket) one.write('from the main thread')
    else one.send('from the main thread')
    t.is(String(await answer), 'FROM THE MAIN THREAD')
    t.is(await exited, 0)
  })

test('adopt() takes a Descriptor or a number', async t => {
  const [one, other] = sockets(t)
  const descriptor = await other.detach()
  await t.throwsAsync(adopt(descriptor.fd), { code: 'EBUSY' })
  t.throws(() => new Socket({ fd: descriptor.fd }), { code: 'EBUSY' })
  t.is(descriptor.kind, 'socket')
  const adopted = await adopt(descriptor, { type: 'stream' })
  t.is(descriptor.fd, -1)
  adopted.write('adopted')
  t.is(String(await receive(one, 7)), 'adopted')
  const number = (await adopted.detach()).release()
  const again = await adopt(number, { type: 'stream', highWaterMark: 10 })
  t.is(again.readableHighWaterMark, 10)
  await t.throwsAsync(adopt(number), {
    code: 'EBUSY',
    message: /a socket or a Descriptor of this thread owns it already/,
  })
  again.end('again')
  t.is(String(await receiveAll(one)), 'again')
})

test('adopt() says what a descriptor is that it does not take, and leaves it open', async t => {
  const file = openSync('/dev/null', 'r')
  const refused = async (fd: number, message: RegExp): Promise<void> => {
    await t.throwsAsync(adopt(fd), { code: 'ERR_INVALID_ARG_VALUE', message })
  }
  await refused(
    file,
    /^descriptor is invalid: \d+ is a character device; adopt\(\) takes a connected Unix-domain socket$/,
  )
  const own = Descriptor.from(file)
  await t.throwsAsync(adopt(own), { code: 'ERR_INVALID_ARG_VALUE' })
  t.is(own.kind, 'character')
  own.close()
  await t.throwsAsync(adopt(own), { code: 'ERR_INVALID_ARG_VALUE', message: /closed, released or sent/ })
  await t.throwsAsync(adopt(999_999), { code: 'EBADF' })
  await t.throwsAsync(adopt('1' as never), { code: 'ERR_INVALID_ARG_TYPE' })
  await t.throwsAsync(adopt(-1), { code: 'ERR_OUT_OF_RANGE' })
})

;(python ? test : test.skip)(
  'adopt() refuses listeners, other types than it is told and other families by what they are',
  async t => {
    const program = [
      'import os, socket, sys, time',
      "a = socket.socket(socket.AF_UNIX); a.bind('\\0udsock-adopt-%d' % os.getpid()); a.listen()",
      'b, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)',
      'c = socket.socket(socket.AF_INET)',
      'r, _w = os.pipe()',
      'fds = [a.fileno(), b.fileno(), c.fileno(), r]',
      'for fd in fds: os.set_inheritable(fd, True)',
      'os.execv(sys.argv[1], sys.argv[1:] + [str(fd) for fd in fds])',
    ].join('\n')
    const script = new URL('../programs/adopt-others.js', import.meta.url).pathname
    const child = new Program(t, 'python3', ['-c', program, process.execPath, script])
    const { output } = await child.ended
    t.deepEqual(JSON.parse(output), [
      'a socket that is not connected; listen({ fd }) takes a listening one',
      'a socket of another type than SOCK_STREAM',
      'a socket of another family than AF_UNIX; node:net takes TCP sockets, by new net.Socket({ fd })',
      'a pipe',
    ])
  },
)
