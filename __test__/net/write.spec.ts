import { type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { closed, compare, once, quiet, type World } from './helpers.js'

type Work = (socket: Socket, note: (...values: unknown[]) => void) => unknown
const big = 'b'.repeat(3_000_000)

/** Each ends the socket. */
const writings: Record<string, Work> = {
  'write(text)': socket => socket.write('hello') && socket.end(),
  'write(text, encoding)': socket => socket.write('68656c6c6f', 'hex') && socket.end(),
  'write(text, base64)': socket => socket.write('aGVsbG8=', 'base64') && socket.end(),
  'write(text, latin1)': socket => socket.write('h\xe9llo', 'latin1') && socket.end(),
  'write(text, utf16le)': socket => socket.write('hello', 'utf16le') && socket.end(),
  'write(text, ascii)': socket => socket.write('h\xe9llo', 'ascii') && socket.end(),
  'write(text beyond ASCII)': socket => socket.write('h\xe9llo \u{1f600}') && socket.end(),
  'write(buffer)': socket => socket.write(Buffer.from('hello')) && socket.end(),
  'write(Uint8Array)': socket => socket.write(new Uint8Array([104, 105])) && socket.end(),
  'write(empty text)': (socket, note) => {
    note(socket.write('', () => note('written')))
    socket.end()
  },
  'write(empty buffer)': (socket, note) => {
    note(socket.write(Buffer.alloc(0), () => note('written')))
    socket.end()
  },
  'write(text, callback)': (socket, note) => {
    note(socket.write('hello', error => note('written', error ?? null)))
    socket.end()
  },
  'write(text, encoding, callback)': (socket, note) => {
    note(socket.write('aGk=', 'base64', error => note('written', error ?? null)))
    socket.end()
  },
  'three writes and their callbacks': (socket, note) => {
    for (const text of ['one', 'two', 'three']) note(socket.write(text, () => note(`written ${text}`)))
    socket.end(() => note('ended'))
  },
  'end()': (socket, note) => note(socket.end() === socket),
  'end(callback)': (socket, note) => note(socket.end(() => note('ended')) === socket),
  'end(text)': socket => socket.end('hello'),
  'end(text, callback)': (socket, note) => socket.end('hello', () => note('ended')),
  'end(text, encoding, callback)': (socket, note) => socket.end('aGk=', 'base64', () => note('ended')),
  'end(buffer)': socket => socket.end(Buffer.from('hello')),
  'end() twice': (socket, note) => {
    socket.end('hello', () => note('ended'))
    socket.end(() => note('ended again'))
  },
  'cork() and uncork()': (socket, note) => {
    socket.cork()
    note(socket.writableCorked)
    socket.write('one')
    socket.write('two')
    note(socket.writableLength)
    socket.uncork()
    note(socket.writableCorked)
    socket.end('three')
  },
  'cork() and end()': socket => {
    socket.cork()
    socket.write('one')
    socket.end('two')
  },
  'setDefaultEncoding()': socket => {
    socket.setDefaultEncoding('hex')
    socket.end('6869')
  },
  '3 MB of text': (socket, note) => {
    note(socket.write(big, () => note('written')))
    socket.once('drain', () => socket.end())
  },
  '3 MB in a buffer': (socket, note) => {
    note(socket.write(Buffer.from(big), () => note('written')))
    socket.once('drain', () => socket.end())
  },
  'end(3 MB)': socket => socket.end(big),
  'destroySoon()': socket => {
    socket.write('hello')
    socket.destroySoon()
  },
  'destroySoon() behind 3 MB': socket => {
    socket.write(big)
    socket.destroySoon()
  },
  'a pipeline': socket => pipeline(Readable.from(['one', 'two', 'three']), socket, { end: true }),
  'write in the callback of a write': (socket, note) => {
    socket.write('one', () => {
      note('written one')
      socket.write('two', () => {
        note('written two')
        socket.end()
      })
    })
  },
  'write in finish': (socket, note) => {
    socket.on('finish', () => note(socket.writableFinished, socket.writableLength))
    socket.end('hello')
  },
}

const states: Record<string, (world: World) => Promise<Socket>> = {
  'while connecting': world => Promise.resolve(world.net.connect(world.path)),
  'when connected': async world => {
    const client = world.net.connect(world.path)
    await once(client, 'connect')
    return client
  },
  'before connect()': world => {
    const client = new world.net.Socket()
    process.nextTick(() => client.connect(world.path))
    return Promise.resolve(client)
  },
}

for (const [title, work] of Object.entries(writings))
  for (const [state, make] of Object.entries(states)) {
    // Node fails a write of a socket without a connect().
    if (state === 'before connect()' && !['end()', 'end(callback)'].includes(title)) continue
    const run = async (world: World): Promise<void> => {
      const server = await world.serve()
      const accepting = once(server, 'connection')
      const client = (await make(world)).resume()
      // Which of them is first is up to the peer.
      for (const event of ['finish', 'end']) world.follow(`client's ${event}`, client, [event, 'close'])
      const done = closed(client)
      const working = work(client, (...values) => world.note('written', ...values))
      const [accepted] = (await accepting) as [Socket]
      world.collect('accepted', accepted)
      await Promise.all([working, done, closed(accepted)])
      world.note('bytes', client.bytesWritten, accepted.bytesRead)
    }
    if (state === 'before connect()')
      compare(`${title} ${state}`, world => Promise.race([run(world), quiet(500)]), {
        reason: 'an end waits for its connection; from Node 22 on the socket finishes without',
        nodes: major => major >= 22,
        ours: {
          accepted: ['data: '],
          bytes: [0, 0],
          "client's finish": ['finish', ['close', false]],
          "client's end": ['end', ['close', false]],
          written: title === 'end()' ? [true] : [true, 'ended'],
        },
      })
    else compare(`${title} ${state}`, run)
  }

for (const [title, chunk] of Object.entries({
  null: null,
  undefined,
  'a number': 5,
  'an object': {},
  true: true,
}))
  for (const state of Object.keys(states).slice(0, 2))
    compare(`write(${title}) ${state}`, async world => {
      await world.serve()
      const client = world.follow('client', await states[state]!(world), ['error', 'close'])
      world.attempt('caller', () => client.write(chunk as unknown as string))
      await quiet(5)
    })

compare('a callback gets null for every write that succeeds', async world => {
  const { client, accepted } = await world.pair()
  accepted.resume()
  for (const chunk of ['text', Buffer.from('small'), '', Buffer.alloc(20_000), big]) {
    await new Promise<void>(resolve => {
      client.write(chunk, error => {
        world.note('callback', error)
        resolve()
      })
    })
  }
})

compare('write() with an unknown encoding', async world => {
  const { client } = await world.pair()
  world.follow('client', client)
  world.attempt('caller', () =>
    client.write('hello', 'none' as BufferEncoding, error => world.note('callback', error)),
  )
  await quiet(5)
})

const lost: Record<string, (client: Socket) => void> = {
  'end()': client => client.end(),
  'destroy()': client => client.destroy(),
  'destroy(error)': client => client.destroy(new Error('own')),
}

for (const [title, lose] of Object.entries(lost))
  for (const state of Object.keys(states).slice(0, 2))
    compare(`write() after ${title} ${state}`, async world => {
      await world.serve({}, accepted => world.keep(accepted).resume())
      const client = world.follow('client', (await states[state]!(world)).resume())
      const done = closed(client)
      lose(client)
      world.note(
        'caller',
        client.write('late', error => world.note('callback', error ?? null)),
      )
      await done
    })

compare('write() of a socket that was never connected', async world => {
  const client = world.follow('client', new world.net.Socket())
  world.note(
    'caller',
    client.write('hello', error => world.note('callback', error ?? null)),
  )
  await closed(client)
})

compare('what was written while connecting fails with the connection', async world => {
  const client = world.follow('client', world.net.connect(world.path))
  client.write('one', error => world.note('one', error ?? null))
  client.write('two', error => world.note('two', error ?? null))
  client.end(() => world.note('ended', 'called'))
  await closed(client)
  await quiet(1)
})

compare('what was written while connecting fails with destroy()', async world => {
  await world.serve()
  const client = world.follow('client', world.net.connect(world.path))
  client.write('one', error => world.note('one', error ?? null))
  client.destroy()
  await closed(client)
  await quiet(1)
})

for (const [title, write] of Object.entries<Work>({
  'an empty write': (client, note) => client.write('', error => note(error ?? null)),
  'an empty buffer': (client, note) => client.write(Buffer.alloc(0), error => note(error ?? null)),
  'corked empty writes': (client, note) => {
    client.cork()
    for (const text of ['', '']) client.write(text, error => note(error ?? null))
    client.uncork()
  },
  'an empty write and another one': (client, note) => {
    client.write('', error => note(error ?? null))
    client.write('one', error => note(error ?? null))
    client.end()
  },
})) {
  const start = (world: World): Socket => {
    const client = world.follow('order', world.net.connect(world.path), ['connect', 'error', 'close'])
    write(client, (...values) => world.note('order', ...values))
    return client
  }

  compare(`${title} waits for the connection`, async world => {
    const server = await world.serve({}, accepted => accepted.resume())
    const accepting = once(server, 'connection')
    start(world)
    await accepting
    await quiet(10)
  })

  compare(`${title} fails with the connection`, async world => {
    await closed(start(world))
    await quiet(1)
  })

  compare(`${title} while connecting fails with destroy()`, async world => {
    await world.serve()
    await closed(start(world).destroy())
    await quiet(1)
  })
}

compare('write() after the end of the peer', async world => {
  const { client, accepted } = await world.pair()
  world.follow('client', client)
  accepted.end()
  await once(client.resume(), 'end')
  await once(client, 'finish')
  world.note(
    'caller',
    client.write('late', error => world.note('callback', error)),
  )
  await quiet()
})

compare('write() in the end of the peer arrives', async world => {
  const { client, accepted } = await world.pair({}, { allowHalfOpen: true })
  world.follow('client', client)
  world.collect('accepted', accepted)
  client.on('end', () => world.note('caller', client.write('late')))
  accepted.end()
  await closed(client.resume(), accepted)
})

compare('write() to a peer that is gone: EPIPE', async world => {
  const { client, accepted } = await world.pair({ allowHalfOpen: true })
  world.follow('client', client)
  accepted.destroy()
  await once(client.resume(), 'end')
  await quiet(5)
  client.write('late', error => world.note('callback', error))
  await closed(client)
})

compare('what fills the stream is drained by the kernel in the same turn', async world => {
  const { client, accepted } = await world.pair({ highWaterMark: 10 })
  world.follow('client', client)
  accepted.resume()
  world.note('caller', client.write('x'.repeat(9)))
  await quiet(5)
  world.note('caller', client.write('x'.repeat(10)), client.writableNeedDrain)
  await quiet(20)
  world.note('caller', client.writableNeedDrain)
})

compare('a peer that does not read: the rest waits, and is counted', async world => {
  const { client, accepted } = await world.pair()
  accepted.pause()
  client.write(big)
  await quiet(20)
  world.note(
    'state',
    client.writableLength > 0,
    client.bufferSize === client.writableLength,
    client.bytesWritten,
  )
  world.collect('accepted', accepted).resume()
  client.end()
  await closed(client.resume(), accepted)
  world.note('state', client.bytesWritten, accepted.bytesRead)
})
