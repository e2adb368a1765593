import test from 'ava'
import { everyPlace, once, pair, receive, receiveAll } from './helpers.js'
import { fill, leavesNoDescriptors, pattern, tooMuch, turns } from './socket-helpers.js'

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

  test(`writableLength and writableCorked are those of a stream (${place})`, async t => {
    const { client, server } = await pair(t, place)
    client.write('12345')
    client.write('678')
    t.is(client.writableLength, 8)
    t.is(client.writableCorked, 0)
    client.cork()
    t.is(client.writableCorked, 1)
    client.uncork()
    await turns(1)
    t.is(client.writableLength, 0)
    const taken = fill(client)
    t.true(client.writableLength > 0)
    server.resume()
    await once(client, 'drain')
    t.is(client.bytesWritten, 8 + taken)
  })
}
