import { createConnection } from 'node:net'
import test from 'ava'
import { connect, type ConnectOptions, type UnixSocket } from '../../index.js'
import { eventually, everyPlace, listening, once, receiveAll } from '../helpers/sockets.js'
import { leavesNoDescriptors, pattern, sha256, turns } from '../helpers/streams.js'

leavesNoDescriptors(test)

for (const [what, onread, code] of [
  ['no object', 7, 'ERR_INVALID_ARG_TYPE'],
  ['no callback', { buffer: Buffer.alloc(1) }, 'ERR_INVALID_ARG_TYPE'],
  ['no buffer', { callback: () => {} }, 'ERR_INVALID_ARG_TYPE'],
  ['an empty buffer', { buffer: Buffer.alloc(0), callback: () => {} }, 'ERR_INVALID_ARG_VALUE'],
  [
    'shared memory',
    { buffer: new Uint8Array(new SharedArrayBuffer(8)), callback: () => {} },
    'ERR_INVALID_ARG_VALUE',
  ],
] as const) {
  test(`onread with ${what} is refused`, async t => {
    await t.throwsAsync(connect('/nowhere', { onread } as unknown as ConnectOptions), { code })
  })
}

for (const place of everyPlace) {
  const talking = async (
    t: Parameters<typeof listening>[0],
    onread: NonNullable<ConnectOptions['onread']>,
  ): Promise<{ client: UnixSocket; server: UnixSocket }> => {
    const listener = await listening(t, place, { backlog: 8 })
    const client = await connect(listener.path, { onread })
    const server = await listener.accept()
    t.teardown(() => [client, server].forEach(socket => socket.destroy()))
    return { client, server }
  }

  for (const length of [1, 100, 65_536, 200_000]) {
    test(`every byte goes through a buffer of ${length} bytes, and no chunk is made (${place})`, async t => {
      const buffer = Buffer.alloc(length)
      const received: Buffer[] = []
      const { client, server } = await talking(t, {
        buffer,
        callback: (bytesRead, memory) => {
          t.is(memory, buffer)
          received.push(Buffer.from(memory.subarray(0, bytesRead)))
        },
      })
      client.on('data', () => t.fail('a chunk'))
      const sent = pattern(length === 1 ? 3000 : 700_000)
      const ended = once(client, 'end')
      server.end(sent)
      await ended
      t.is(sha256(Buffer.concat(received)), sha256(sent))
      t.is(client.bytesRead, sent.length)
      client.end()
      await once(client, 'close')
    })
  }

  test(`memory from a function, other each time (${place})`, async t => {
    const given: Uint8Array[] = []
    const received: string[] = []
    const { client, server } = await talking(t, {
      buffer: () => {
        const memory = Buffer.alloc(3)
        given.push(memory)
        return memory
      },
      callback: (bytesRead, memory) => {
        t.true(memory === given.at(-1))
        received.push(String(Buffer.from(memory.subarray(0, bytesRead))))
      },
    })
    server.end('abcdefgh')
    await once(client, 'end')
    t.is(received.join(''), 'abcdefgh')
  })

  test(`false pauses, resume() goes on, pause() stops (${place})`, async t => {
    const received: string[] = []
    let answer = false
    const { client, server } = await talking(t, {
      buffer: Buffer.alloc(4),
      callback: (bytesRead, memory) => {
        received.push(String(Buffer.from(memory.subarray(0, bytesRead))))
        return answer
      },
    })
    const comes = async (count: number): Promise<void> => {
      await eventually(`part ${count} comes`, () => received.length >= count)
      await turns(20)
    }
    server.write('abcdefgh')
    await comes(1)
    t.deepEqual(received, ['abcd'])
    client.resume()
    await comes(2)
    t.deepEqual(received, ['abcd', 'efgh'])
    answer = true
    server.write('ij')
    await turns(20)
    t.is(received.length, 2)
    client.resume()
    await comes(3)
    client.pause()
    server.end('kl')
    await turns(20)
    t.deepEqual(received, ['abcd', 'efgh', 'ij'])
    const ended = once(client, 'end')
    client.resume()
    await ended
    t.deepEqual(received, ['abcd', 'efgh', 'ij', 'kl'])
  })

  test(`memory that was detached meanwhile is an error of that socket (${place})`, async t => {
    const buffer = new Uint8Array(100)
    const { client, server } = await talking(t, { buffer, callback: () => t.fail('nothing can be read') })
    structuredClone(buffer, { transfer: [buffer.buffer] })
    const failed = once<NodeJS.ErrnoException>(client, 'error')
    server.write('lost')
    t.is((await failed).code, 'ERR_INVALID_ARG_VALUE')
    t.true(client.destroyed)
  })

  test(`closeRead() and destroy() inside the callback are obeyed (${place})`, async t => {
    for (const way of ['closeRead', 'destroy'] as const) {
      let calls = 0
      const { client, server } = await talking(t, {
        buffer: Buffer.alloc(2),
        callback: () => {
          calls++
          client[way]()
        },
      })
      server.on('error', () => {})
      server.write('abcdef')
      await eventually('it is called', () => calls > 0)
      await turns(20)
      t.is(calls, 1)
      client.destroy()
    }
  })

  test(`the writing side is as ever (${place})`, async t => {
    const { client, server } = await talking(t, { buffer: Buffer.alloc(9), callback: () => {} })
    client.write('written')
    client.end()
    t.is(String(await receiveAll(server)), 'written')
  })
}

test('node:net does the same with a path', async t => {
  const listener = await listening(t, 'path', { backlog: 8 })
  const run = async (
    make: (onread: NonNullable<ConnectOptions['onread']>) => unknown,
  ): Promise<unknown[]> => {
    const seen: unknown[] = []
    const onread = {
      buffer: Buffer.alloc(4),
      callback: (bytesRead: number, memory: Uint8Array) => {
        seen.push(String(Buffer.from(memory.subarray(0, bytesRead))))
        return true
      },
    }
    const client = (await make(onread)) as UnixSocket
    const server = await listener.accept()
    for (const event of ['data', 'end', 'close']) client.on(event, () => seen.push(event))
    const closed = once(client, 'close')
    server.end('abcdefghij')
    client.end()
    await closed
    server.destroy()
    return seen
  }
  const ours = await run(onread => connect(listener.path, { onread }))
  const net = await run(onread =>
    createConnection({ path: listener.path as string, onread: onread as never }),
  )
  t.deepEqual(ours, net)
})

test('`this` in both functions of onread is the socket', async t => {
  const listener = await listening(t)
  const memory = Buffer.alloc(8)
  const owners = new Set<unknown>()
  const onread = {
    buffer(this: unknown): Buffer {
      owners.add(this)
      return memory
    },
    callback(this: unknown): void {
      owners.add(this)
    },
  }
  const [client, server] = await Promise.all([connect(listener.path, { onread }), listener.accept()])
  server.end('hello')
  await once(client, 'end')
  client.destroy()
  t.deepEqual([...owners], [client])
})
