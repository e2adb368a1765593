import test from 'ava'
import { everyPlace, once, pair, receive, receiveAll } from './helpers.js'
import { fill, generator, leavesNoDescriptors, pattern, tooMuch, turns } from './socket-helpers.js'

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

  test(`who writes again in every callback, and is always called back, starves nobody (${place})`, async t => {
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
    t.deepEqual(outcomes, [['first', undefined]], 'the stream answers for the others together')
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

  test(`what a chunk says of its own length is not believed (${place})`, async t => {
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
}
