// Users override methods of a socket: each call reaches the override once, as on node:net's socket.
import net from 'node:net'
import test from 'ava'
import ourNet from '../../net.js'
import { connect } from '../../index.js'
import { listening, once } from '../helpers/sockets.js'

type Override = (socket: net.Socket) => void

/** What users put in the place of `_write` and `_writev`. */
const overrides: Record<string, Override> = {
  'no _writev()': withoutWritev,
  'a slow _write()': slowWrite,
  'a slow _write() and no _writev()': socket => {
    slowWrite(socket)
    withoutWritev(socket)
  },
  'a slow _writev()': slowWritev,
  'a slow _write() and a slow _writev()': socket => {
    slowWrite(socket)
    slowWritev(socket)
  },
}

function withoutWritev(socket: net.Socket): void {
  Object.assign(socket, { _writev: null })
}

function slowWrite(socket: net.Socket): void {
  const { _write } = socket
  socket._write = (...args) => void setImmediate(() => _write.apply(socket, args))
}

function slowWritev(socket: net.Socket): void {
  const _writev = socket._writev!
  socket._writev = (...args) => void setImmediate(() => _writev.apply(socket, args))
}

const openers = {
  'connect()': (path: string) => connect(path) as unknown as Promise<net.Socket>,
  'udsock/net': async (path: string) => {
    const socket = ourNet.connect(path) as unknown as net.Socket
    await once(socket, 'connect')
    return socket
  },
  'node:net': async (path: string) => {
    const socket = net.connect(path)
    await once(socket, 'connect')
    return socket
  },
}

for (const [name, open] of Object.entries(openers)) {
  test(`write() and end() that are overridden are called once, whatever their arguments (${name})`, async t => {
    const listener = await listening(t)
    const [socket, peer] = await Promise.all([open(listener.path as string), listener.accept()])
    t.teardown(() => peer.destroy())
    peer.resume()
    const calls: string[] = []
    const { write, end } = socket
    socket.write = (...args: unknown[]) => {
      calls.push(`write ${args.length}`)
      return write.apply(socket, args as never)
    }
    socket.end = (...args: unknown[]) => {
      calls.push(`end ${args.length}`)
      return end.apply(socket, args as never)
    }
    await new Promise(resolve => socket.write('a', resolve))
    await new Promise(resolve => socket.write('a', 'utf8', resolve))
    await new Promise<void>(resolve => socket.end('b', resolve))
    socket.end(() => {})
    t.deepEqual(calls, ['write 2', 'write 3', 'end 2', 'end 1'])
    socket.destroy()
  })

  test(`push() that is overridden gets every chunk (${name})`, async t => {
    const listener = await listening(t)
    const [socket, peer] = await Promise.all([open(listener.path as string), listener.accept()])
    t.teardown(() => peer.destroy())
    const { push } = socket
    const pushed: unknown[] = []
    socket.push = (chunk, encoding) => {
      pushed.push(chunk === null ? 'end' : String(chunk))
      return push.call(socket, chunk, encoding)
    }
    for (const text of ['one', 'two', 'three']) {
      const arrived = once(socket, 'data')
      peer.write(text)
      t.is(String(await arrived), text)
    }
    const ended = once(socket, 'end')
    peer.end()
    await ended
    t.deepEqual(pushed, ['one', 'two', 'three', 'end'])
    socket.destroy()
  })

  for (const [title, override] of Object.entries(overrides))
    test(`${title} loses no chunk (${name})`, async t => {
      const listener = await listening(t)
      const [socket, peer] = await Promise.all([open(listener.path as string), listener.accept()])
      t.teardown(() => [socket, peer].map(end => end.destroy()))
      override(socket)
      socket.on('error', () => {})
      const received = peer.toArray()
      for (const text of ['one ', 'two ', 'three ']) socket.write(text)
      await new Promise(resolve => socket.write('four ', resolve))
      socket.cork()
      for (const text of ['five ', 'six ', 'seven ']) socket.write(text)
      socket.uncork()
      socket.end('eight')
      t.is(String(Buffer.concat(await received)), 'one two three four five six seven eight')
    })

  test(`_write() that is overridden gets every chunk (${name})`, async t => {
    const listener = await listening(t)
    const [socket, peer] = await Promise.all([open(listener.path as string), listener.accept()])
    t.teardown(() => peer.destroy())
    const { _write } = socket
    const written: string[] = []
    socket._write = (chunk, _encoding, callback) => {
      written.push(String(chunk))
      _write.call(socket, Buffer.from(String(chunk).toUpperCase()), 'buffer' as BufferEncoding, callback)
    }
    socket.write('one ')
    socket.write(Buffer.from('two '))
    await new Promise(resolve => socket.write('three ', resolve))
    socket.end('four')
    t.is(String(Buffer.concat(await peer.toArray())), 'ONE TWO THREE FOUR')
    t.deepEqual(written, ['one ', 'two ', 'three ', 'four'])
    socket.destroy()
  })
}

class Shouting extends ourNet.Socket {
  override _write(chunk: Buffer | string, _encoding: BufferEncoding, callback: () => void): void {
    super._write(Buffer.from(String(chunk).toUpperCase()), 'buffer' as BufferEncoding, callback)
  }
}

test('_write() of a subclass of the Socket of udsock/net gets every chunk', async t => {
  const listener = await listening(t)
  const socket = new Shouting()
  t.teardown(() => socket.destroy())
  socket.connect(listener.path as string)
  const peer = await listener.accept()
  for (const text of ['one ', 'two ']) await new Promise(resolve => socket.write(text, resolve))
  socket.end('three')
  t.is(String(Buffer.concat(await peer.toArray())), 'ONE TWO THREE')
  peer.destroy()
})
