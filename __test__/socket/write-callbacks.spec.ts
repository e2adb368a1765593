import test from 'ava'
import { everyPlace, once, pair, receive, receiveAll } from '../helpers/sockets.js'
import { fill, generator, leavesNoDescriptors, pattern, tooMuch, turns } from '../helpers/streams.js'

leavesNoDescriptors(test)

type Failure = NodeJS.ErrnoException | null | undefined

for (const place of everyPlace) {
  test(`no callback and no event runs inside a method (${place})`, async t => {
    const { client, server } = await pair(t, place)
    server.resume()
    let inside = false
    const ran: string[] = []
    const note = (what: string) => () => void ran.push(inside ? `${what} inside` : what)
    client.on('drain', note('drain')).on('finish', note('finish'))
    inside = true
    client.write('small', note('small'))
    client.write(pattern(20_000), note('large'))
    for (let index = 0; index < 100; index++) client.write('x'.repeat(100), note('many'))
    client.cork()
    client.write('corked', note('corked'))
    client.write(pattern(60_000), note('corked'))
    client.uncork()
    client.write(Buffer.alloc(0), note('empty'))
    client.end('last', note('end'))
    inside = false
    await once(client, 'finish')
    await turns(2)
    t.deepEqual(
      ran.filter(what => what.endsWith('inside')),
      [],
    )
    t.is(ran.filter(what => what === 'many').length, 100)
    t.deepEqual(ran.filter(what => what !== 'many').toSorted(), [
      'corked',
      'corked',
      'empty',
      'end',
      'finish',
      'large',
      'small',
    ])
  })

  test(`more sockets written in one turn than are gathered: no callback inside write() (${place})`, async t => {
    const pairs = await Promise.all(Array.from({ length: 300 }, () => pair(t, place)))
    let inside = true
    let called = 0
    for (const { client } of pairs)
      client.write('all', () => {
        t.false(inside)
        called++
      })
    inside = false
    for (const { server } of pairs) t.is(String(await receive(server, 3)), 'all')
    await turns(1)
    t.is(called, 300)
  })

  test(`a writer that writes again in every callback is always called back, and starves no other socket (${place})`, async t => {
    const writing = await pair(t, place)
    const other = await pair(t, place)
    const most = 200
    let called = 0
    let finished!: () => void
    const all = new Promise<void>(resolve => (finished = resolve))
    const again = () => {
      if (++called < most) writing.client.write(String(called % 10), again)
      else finished()
    }
    const immediate = new Promise<number>(resolve => setImmediate(() => resolve(called)))
    writing.client.write('0', again)
    other.client.write('other')
    t.true((await immediate) < most, 'in one go')
    t.is(String(await receive(other.server, 5)), 'other')
    await all
    t.is(String(await receive(writing.server, most)), '0123456789'.repeat(most / 10))
  })

  test(`what was sent before destroy() is called back without an error (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const outcomes: [string, string | undefined][] = []
    const note = (what: string) => (error: Failure) => void outcomes.push([what, error?.code])
    client.write('first ', note('first'))
    client.write('second ', note('second'))
    client.write(pattern(10_000), note('large'))
    client.cork()
    client.write('corked', note('corked'))
    client.destroy()
    t.deepEqual(outcomes, [])
    t.is((await receiveAll(server)).length, 13 + 10_000)
    await turns(2)
    t.deepEqual(outcomes, [
      ['first', undefined],
      ['second', undefined],
      ['large', undefined],
      ['corked', 'ERR_STREAM_DESTROYED'],
    ])
  })

  test(`of writes behind one another, those whose bytes went out succeed and the rest fails (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const outcomes: [string, string | undefined][] = []
    const note = (what: string) => (error: Failure) => void outcomes.push([what, error?.code])
    client.write('first', note('first'))
    client.write('second', note('second'))
    client.write(Buffer.alloc(tooMuch), note('too much'))
    client.write('behind', note('behind'))
    client.on('error', () => {})
    await turns(2)
    t.deepEqual(outcomes, [
      ['first', undefined],
      ['second', undefined],
    ])
    server.destroy()
    await once(client, 'close')
    await turns(2)
    t.deepEqual(outcomes, [
      ['first', undefined],
      ['second', undefined],
      ['too much', 'EPIPE'],
      ['behind', 'EPIPE'],
    ])
  })

  test(`a write to a peer that is gone fails in its callback, and those behind it too (${place})`, async t => {
    const { client, server } = await pair(t, place)
    server.destroy()
    await once(server, 'close')
    const codes: unknown[] = []
    client.on('error', error => codes.push(`error ${(error as NodeJS.ErrnoException).code}`))
    client.write('one', (error: Failure) => codes.push(error?.code))
    client.write(pattern(10_000), (error: Failure) => codes.push(error?.code))
    client.write('three', (error: Failure) => codes.push(error?.code))
    t.deepEqual(codes, [])
    await once(client, 'close')
    t.deepEqual(codes, ['EPIPE', 'EPIPE', 'EPIPE', 'error EPIPE'])
  })

  test(`a large chunk that is detached after it was sent upsets nothing or fails, but never hangs (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const received = receiveAll(server)
    const bytes = Uint8Array.from(pattern(50_000))
    client.write('before')
    client.write(bytes)
    structuredClone(bytes, { transfer: [bytes.buffer] })
    const error = await new Promise<Failure>(resolve => {
      client.on('error', resolve)
      client.end(() => resolve(undefined))
    })
    if (error) t.is(error.code, 'ERR_BUFFER_CHANGED')
    client.destroy()
    t.is((await received).length, 6 + 50_000)
  })

  for (const corks of [1, 2, 3]) {
    test(`end(callback) sends what ${corks} corks hold (${place})`, async t => {
      const { client, server } = await pair(t, place)
      for (let cork = 0; cork < corks; cork++) client.cork()
      const written = new Promise<Failure>(resolve => client.write('held', resolve))
      const ended = new Promise<void>(resolve => client.end(() => resolve()))
      t.is(String(await receiveAll(server)), 'held')
      t.falsy(await written)
      await ended
    })
  }

  test(`callbacks run in the order of the writes, whatever their sizes (${place})`, async t => {
    const { client, server } = await pair(t, place)
    server.resume()
    const random = generator(3)
    for (const inTurn of [false, true]) {
      const order: number[] = []
      const write = (): void => {
        for (let index = 0; index < 40; index++) {
          const size = [1, 10_000, 20_000, 1500][random(4)]!
          client.write(Buffer.alloc(size), () => order.push(index))
        }
      }
      if (inTurn) client.once('data', write)
      else void Promise.resolve().then(write)
      server.write('go')
      await once(client, 'drain')
      await turns(3)
      t.deepEqual(order, [...Array(40).keys()])
    }
  })

  test(`a failed callback that uncorks is called once (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const called: string[] = []
    client.on('error', () => called.push('error'))
    client.write(Buffer.alloc(tooMuch), (error: Failure) => called.push(`0 ${error?.code}`))
    client.cork()
    for (let index = 1; index < 4; index++)
      client.write('x', (error: Failure) => {
        called.push(`${index} ${error?.code}`)
        if (index === 1) client.uncork()
      })
    await turns(2)
    server.destroy()
    await once(client, 'close')
    t.deepEqual(called, ['0 EPIPE', '1 EPIPE', '2 EPIPE', '3 EPIPE', 'error'])
  })

  test(`the length that a chunk claims to have is not trusted (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const other = await pair(t, place)
    other.client.write('SECRET'.repeat(20))
    await turns(2)
    for (const length of [60, 1, 0, 100_000, -1, NaN]) {
      const liar = Buffer.from('abc')
      Object.defineProperty(liar, 'length', { value: length })
      client.write(liar)
    }
    client.end()
    t.is(String(await receiveAll(server)), 'abc'.repeat(6))
  })

  test(`writableLength is what waits for uncork() or the kernel, not for the end of the turn (${place})`, async t => {
    const { client, server } = await pair(t, place)
    client.write('12345')
    t.is(client.writableLength, 0)
    t.is(client.writableCorked, 0)
    client.cork()
    client.write('678')
    t.is(client.writableLength, 3)
    t.is(client.writableCorked, 1)
    client.uncork()
    t.is(client.writableLength, 0)
    await turns(1)
    const taken = fill(client)
    t.true(client.writableLength > 0)
    server.resume()
    await once(client, 'drain')
    t.is(client.bytesWritten, 8 + taken)
  })

  test(`an empty write behind one that gathers is called back in its turn (${place})`, async t => {
    const { client, server } = await pair(t, place, { highWaterMark: 1000 })
    server.resume()
    const order: number[] = []
    const noted = (index: number) => () => order.push(index)
    client.write('x')
    client.write(pattern(8192), noted(0))
    client.write('text', noted(1))
    client.write(pattern(8193), noted(2))
    client.write('gathers')
    client.write('', 'hex', noted(3))
    await turns(3)
    t.deepEqual(order, [0, 1, 2, 3])
  })

  test(`a small chunk behind an empty one that waits is the caller's again at once (${place})`, async t => {
    const { client, server } = await pair(t, place)
    // The peer does not read: the queue of the shortcut is blocked, and Writable has nothing but an empty chunk.
    let filling = 0
    while (client.bytesWritten === filling) {
      client.write(Buffer.alloc(4096, 'a'))
      filling += 4096
      if (client.bytesWritten === filling) await turns(1)
    }
    client.write('', 'hex')
    const chunk = Buffer.from('mine')
    client.write(chunk)
    chunk.fill('x')
    client.end()
    const received = String(await receiveAll(server))
    t.is(received.slice(-5), 'amine')
  })

  test(`a reader that waits for the callback of a write to a peer that is gone gets it (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const sent = fill(server)
    client.on('error', () => {})
    const closed = once(client, 'close')
    let received = 0
    const codes: unknown[] = []
    for await (const chunk of client) {
      received += chunk.length
      if (!server.destroyed) {
        server.destroy()
        await once(server, 'close')
      }
      await new Promise<void>(resolve =>
        client.write('answer', error => {
          codes.push((error as Failure)?.code)
          resolve()
        }),
      )
      if (codes.length === 3) break
    }
    await closed
    t.true(received > 0 && received <= sent)
    t.deepEqual(codes, ['EPIPE', 'EPIPE', 'EPIPE'])
  })

  test(`a socket that is paused until its write is called back reads on when its peer is gone (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const taken = new Promise<number>(resolve => server.once('close', () => resolve(server.bytesWritten)))
    fill(server)
    const events: unknown[] = []
    let received = 0
    client.on('error', error => events.push(`error ${(error as NodeJS.ErrnoException).code}`))
    client.on('data', async chunk => {
      received += chunk.length
      client.pause()
      server.destroy()
      await taken
      client.write('answer', error => {
        if (!client.destroyed) events.push((error as Failure)?.code)
        client.resume()
      })
    })
    await once(client, 'close')
    t.is(received, await taken)
    t.is(events.at(-1), 'error EPIPE')
    t.deepEqual(new Set(events.slice(0, -1)), new Set(['EPIPE']))
  })
}
