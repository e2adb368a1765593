import { type Socket } from 'node:net'
import { PassThrough, Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { closed, compare, once, quiet } from './helpers.js'

type Work = (socket: Socket, note: (...values: unknown[]) => void) => unknown
const big = 'b'.repeat(3_000_000)

/** The peer writes, and ends. */
const readings: Record<string, Work> = {
  "on('data')": (socket, note) => {
    let all = ''
    socket.on('data', chunk => (all += chunk)).on('end', () => note(all.length, all.slice(0, 20)))
  },
  "on('readable')": (socket, note) => {
    let all = ''
    socket.on('readable', () => {
      for (let chunk; (chunk = socket.read()) !== null;) all += chunk
    })
    socket.on('end', () => note(all.length))
  },
  'for await': async (socket, note) => {
    let all = ''
    for await (const chunk of socket) all += chunk
    note(all.length, socket.destroyed)
  },
  'for await, left early': async (socket, note) => {
    for await (const _chunk of socket) break
    note(socket.destroyed)
  },
  'setEncoding(utf8)': (socket, note) => {
    socket.setEncoding('utf8')
    let all = ''
    socket
      .on('data', chunk => (all += typeof chunk === 'string' ? chunk : '?'))
      .on('end', () => note(all.length))
  },
  'setEncoding(hex)': (socket, note) => {
    socket.setEncoding('hex')
    socket.once('data', chunk => note(chunk.slice(0, 10)))
    socket.on('end', () => note(socket.readableEncoding))
  },
  'pipe()': (socket, note) => {
    const target = new PassThrough()
    socket.pipe(target)
    let length = 0
    target.on('data', chunk => (length += chunk.length)).on('end', () => note(length))
  },
  'pipeline()': async (socket, note) => {
    let length = 0
    const target = new Writable({
      write(chunk, _encoding, callback) {
        length += chunk.length
        callback()
      },
    })
    const done = pipeline(socket, target)
    await done
    note(length)
  },
  'pause() and resume()': async (socket, note) => {
    let length = 0
    socket.on('data', chunk => {
      length += chunk.length
      socket.pause()
      setTimeout(() => socket.resume(), 1)
    })
    await once(socket, 'end')
    note(length)
  },
  'resume() without a reader': socket => socket.resume(),
  'finished()': async (socket, note) => {
    socket.resume()
    await finished(socket)
    note('finished')
  },
  'unshift()': (socket, note) => {
    let all = ''
    socket.once('data', chunk => {
      socket.pause()
      socket.unshift(chunk)
      socket.on('data', again => (all += again)).resume()
    })
    socket.on('end', () => note(all.length))
  },
}

for (const [title, work] of Object.entries(readings))
  for (const [size, text] of Object.entries({ 'five bytes': 'hello', '3 MB': big }))
    for (const state of ['while connecting', 'when connected'] as const)
      compare(`${title} ${state}: ${size}`, async world => {
        await world.serve({}, accepted => {
          accepted.on('error', () => {}).resume()
          accepted.end(text)
        })
        const client = world.follow('client', world.net.connect(world.path), [
          'connect',
          'end',
          'finish',
          'error',
          'close',
        ])
        const done = closed(client)
        if (state === 'when connected') await once(client, 'connect')
        await work(client, (...values) => world.note('read', ...values))
        await done
        // How much of it is read before the loop is left is unspecified.
        if (!title.includes('left')) world.note('bytes', client.bytesRead)
      })

compare('a peer that ends without a byte ends a socket without a reader', async world => {
  const { client, accepted } = await world.pair()
  world.follow('client', client)
  world.follow('accepted', accepted)
  accepted.end()
  await closed(client, accepted)
})

compare('unread bytes are not lost, and the end waits', async world => {
  const { client, accepted } = await world.pair()
  world.follow('client', client)
  accepted.end('hello')
  await quiet()
  world.note('state', client.readableLength, client.readableFlowing, client.destroyed)
  world.collect('client', client)
  await closed(client)
})

compare('pause() before connect() keeps it from reading', async world => {
  await world.serve({}, accepted => accepted.end('hello'))
  const client = world.follow('client', new world.net.Socket())
  client.pause().connect(world.path)
  await once(client, 'connect')
  await quiet()
  world.note('state', client.bytesRead, client.isPaused(), client.destroyed)
  world.collect('client', client).resume()
  await closed(client)
})

compare('a peer that is read slowly has to wait', async world => {
  const { client, accepted } = await world.pair()
  client.pause()
  world.note('state', accepted.write(big))
  await quiet()
  world.note('state', accepted.writableLength > 0)
  world.collect('client', client).resume()
  accepted.end()
  await closed(client)
  world.note('state', client.bytesRead)
})

const memories: Record<string, () => Uint8Array | (() => Uint8Array)> = {
  'a buffer': () => Buffer.alloc(10),
  'a Uint8Array': () => new Uint8Array(10),
  'a function': () => () => Buffer.alloc(10),
  'one large buffer': () => Buffer.alloc(100_000),
}

for (const [title, memory] of Object.entries(memories)) {
  compare(`onread: ${title}`, async world => {
    await world.serve({}, accepted => accepted.end('hello, and more than ten bytes'))
    let all = ''
    const onread = {
      buffer: memory(),
      callback: (length: number, buffer: Uint8Array) => {
        all += Buffer.from(buffer.subarray(0, length)).toString()
        return true
      },
    }
    const client = world.follow('client', world.net.connect({ path: world.path, onread }), [
      'connect',
      'data',
      'end',
      'close',
    ])
    await closed(client)
    world.note('read', all, client.bytesRead)
  })
  compare(`onread: ${title}, and a callback that returns false`, async world => {
    await world.serve({}, accepted => accepted.end('hello, and more than ten bytes'))
    let all = ''
    const onread = {
      buffer: memory(),
      callback: (length: number, buffer: Uint8Array) => {
        all += Buffer.from(buffer.subarray(0, length)).toString()
        setTimeout(() => client.resume(), 2)
        return false
      },
    }
    const client = world.follow('client', world.net.connect({ path: world.path, onread }), [
      'connect',
      'data',
      'end',
      'close',
    ])
    await closed(client)
    world.note('read', all, client.bytesRead)
  })
}

for (const [title, onread] of Object.entries({
  null: null,
  'no callback': { buffer: Buffer.alloc(10) },
  'no buffer': { callback: () => true },
  'an empty object': {},
}))
  compare(`an invalid onread is ignored: ${title}`, async world => {
    await world.serve({}, accepted => accepted.end('hello'))
    const client = world.follow('client', world.net.connect({ path: world.path, onread } as { path: string }))
    world.collect('client', client)
    await closed(client)
  })
