import test from 'ava'
import { type UnixSocket } from '../../index.js'
import { everyPlace, pair, receiveAll } from '../helpers/sockets.js'
import { closedAndQuiet, leavesNoDescriptors, pattern, recorded, tooMuch, turns } from '../helpers/streams.js'

leavesNoDescriptors(test)

type Pair = { client: UnixSocket; server: UnixSocket }

const ends: Record<string, (pair: Pair) => void | Promise<void>> = {
  'destroy()': ({ client }) => void client.destroy(),
  'destroy() twice': ({ client }) => void client.destroy().destroy(),
  'destroy(error)': ({ client }) => void client.destroy(new Error('given')),
  'destroy(error) then destroy()': ({ client }) => void client.destroy(new Error('given')).destroy(),
  'end() on both sides': ({ client, server }) => {
    client.end().resume()
    server.end().resume()
  },
  'end() and then destroy()': ({ client }) => void client.end('x').destroy(),
  'end() and closeRead()': ({ client }) => {
    client.end()
    client.closeRead()
  },
  'closeRead() and destroy()': ({ client }) => {
    client.closeRead()
    client.destroy()
  },
  'destroySoon()': ({ client }) => client.destroySoon(),
  'destroySoon() and destroy()': ({ client }) => {
    client.write('x')
    client.destroySoon()
    client.destroy()
  },
  dispose: ({ client }) => client[Symbol.asyncDispose](),
  'leaving a for await': async ({ client, server }) => {
    server.write('x')
    for await (const _ of client) break
  },
  'the peer destroys, we end': ({ client, server }) => {
    server.destroy()
    client.resume().on('end', () => client.end())
  },
  'the peer destroys, we write': async ({ client, server }) => {
    server.destroy()
    await closedAndQuiet(server)
    client.write('x')
  },
  'the peer destroys while we send': async ({ client, server }) => {
    client.write(Buffer.alloc(tooMuch))
    await turns(2)
    server.destroy()
  },
  'destroy() while bytes wait': async ({ client }) => {
    client.write(Buffer.alloc(tooMuch))
    await turns(2)
    client.destroy()
  },
  'destroy() with written bytes unsent': ({ client }) => {
    client.write('x')
    client.destroy()
  },
  'a write after the end': ({ client }) => {
    client.end('x')
    client.write('late')
  },
  'both destroy at once': ({ client, server }) => {
    client.write('x')
    server.write('y')
    client.resume().destroy()
    server.resume().destroy()
  },
  'destroy() while paused with input': async ({ client, server }) => {
    server.write(pattern(200_000))
    client.read(0)
    await turns(3)
    client.destroy()
  },
}

for (const place of everyPlace) {
  for (const [way, end] of Object.entries(ends)) {
    test(`'close' once and nothing after: ${way} (${place})`, async t => {
      const { client, server } = await pair(t, place)
      server.on('error', () => {})
      const events = recorded(client)
      const after: string[] = []
      let expected = ''
      client.on('close', () => {
        client.on('data', () => after.push('data'))
        client.on('readable', () => after.push('readable'))
        expected = client.writableEnded ? 'ERR_STREAM_WRITE_AFTER_END' : 'ERR_STREAM_DESTROYED'
        client.write('in close', error => after.push(String((error as NodeJS.ErrnoException).code)))
        client.end()
        client.destroy()
        client.destroy(new Error('too late'))
        client.closeRead()
        client.setTimeout(1)
        client.ref().unref().resume()
      })
      await end({ client, server })
      await closedAndQuiet(client)
      server.write('to nobody')
      server.destroy()
      await closedAndQuiet(server)
      t.is(events.filter(event => event === 'close').length, 1)
      t.is(events.at(-1), 'close')
      t.true(events.filter(event => event.startsWith('error')).length <= 1)
      t.deepEqual(after, [expected])
      t.true(client.destroyed)
      t.is(client.readyState, 'closed')
    })
  }

  const callbacks: Record<string, (pair: Pair, act: () => void) => void> = {
    data: ({ client, server }, act) => {
      client.on('data', act)
      server.write(pattern(200_000))
    },
    readable: ({ client, server }, act) => {
      client.on('readable', act)
      server.write('x')
    },
    end: ({ client, server }, act) => {
      client.resume().on('end', act)
      server.end('x')
    },
    finish: ({ client }, act) => {
      client.on('finish', act)
      client.end('x')
    },
    drain: ({ client, server }, act) => {
      client.on('drain', act)
      server.resume()
      client.write(Buffer.alloc(tooMuch))
    },
    'the callback of a write': ({ client }, act) => {
      client.write('x', act)
    },
    'the callback of a write that waited': ({ client, server }, act) => {
      client.write(Buffer.alloc(tooMuch), act)
      client.write('behind it', () => {})
      setImmediate(() => server.resume())
    },
    'the callback of end()': ({ client }, act) => {
      client.end('x', act)
    },
    pause: ({ client, server }, act) => {
      client.on('pause', act)
      client.once('data', () => client.pause())
      server.write('x')
    },
    close: ({ client }, act) => {
      client.on('close', act)
      client.destroy()
    },
    error: ({ client }, act) => {
      client.on('error', act)
      client.destroy(new Error('given'))
    },
  }
  for (const [name, arrange] of Object.entries(callbacks)) {
    for (const what of ['destroy', 'destroy with an error', 'end', 'destroySoon', 'closeRead'] as const) {
      test(`${what} inside ${name}: 'close' once, and other sockets go on (${place})`, async t => {
        const { client, server } = await pair(t, place)
        const other = await pair(t, place)
        server.on('error', () => {})
        const events = recorded(client)
        let acted = 0
        const act = (): void => {
          acted++
          if (what === 'destroy') client.destroy()
          else if (what === 'destroy with an error') client.destroy(new Error('from inside'))
          else if (what === 'end') client.end('from inside')
          else client[what]()
          if (what === 'end' || what === 'closeRead') setImmediate(() => client.destroy())
        }
        arrange({ client, server }, () => acted === 0 && act())
        other.client.end('the other')
        t.is(String(await receiveAll(other.server)), 'the other')
        await closedAndQuiet(client)
        t.is(acted, 1)
        t.is(events.filter(event => event === 'close').length, 1)
        t.is(events.at(-1), 'close')
        t.true(events.filter(event => event.startsWith('error')).length <= 1, events.join())
      })
    }
  }

  test(`end inside 'data' answers, and both close (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(server)
    server.on('data', chunk => {
      server.end(`<${String(chunk)}>`)
    })
    client.end('q')
    t.is(String(await receiveAll(client)), '<q>')
    await closedAndQuiet(client, server)
    t.deepEqual(events.toSorted(), ['close', 'end', 'finish'])
  })

  test(`destroy inside 'data' stops delivery at once (${place})`, async t => {
    const { client, server } = await pair(t, place)
    server.on('error', () => {})
    let chunks = 0
    client.on('data', () => {
      chunks++
      client.destroy()
    })
    server.write(pattern(1_000_000))
    await closedAndQuiet(client)
    t.is(chunks, 1)
    t.true(client.bytesRead > 0)
  })

  test(`a socket destroys another of the same turn, which gets nothing any more (${place})`, async t => {
    const first = await pair(t, place)
    const second = await pair(t, place)
    let served = 0
    first.client.on('data', () => {
      served++
      second.client.destroy()
    })
    second.client.on('data', () => {
      served++
      first.client.destroy()
    })
    first.server.write('x')
    second.server.write('x')
    await Promise.race([closedAndQuiet(first.client), closedAndQuiet(second.client)])
    await turns(5)
    t.is(served, 1)
    t.not(first.client.destroyed, second.client.destroyed)
  })
}
