import test from 'ava'
import { FramedSocket } from '../../index.js'
import { failsForWantOfPeer, frames, rawPair, recordedEnds } from './helpers.js'
import { eventually, everyPlace, once, receiveAll } from '../helpers/sockets.js'
import { leavesNoDescriptors, pattern, tooMuch, turns } from '../helpers/streams.js'

leavesNoDescriptors(test)

type Failure = NodeJS.ErrnoException

for (const place of everyPlace) {
  test(`end() sends its message, and calls back when the kernel has it (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    const received = receiveAll(raw)
    framed.send('one')
    let isInside = true
    const failure = await new Promise<unknown>(resolve => {
      t.is(
        framed.end('last', error => resolve(isInside ? 'called inside end()' : error)),
        framed,
      )
      isInside = false
    })
    t.falsy(failure)
    t.true(framed.socket.writableFinished)
    t.true((await received).equals(frames('one', 'last')))
    const { framed: other, raw: peer } = await rawPair(t, place)
    await new Promise<void>(resolve => other.end(() => resolve()))
    t.is((await receiveAll(peer)).length, 0)
  })

  test(`an invalid argument of end() is thrown, and ends nothing (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place, { maxMessageLength: 4 })
    const invalid = { code: 'ERR_INVALID_ARG_TYPE' }
    for (const value of [null, 1, {}, ['x']]) {
      t.throws(() => framed.end(value as never), { ...invalid, message: /^message must be/ })
      if (value === null) continue
      t.throws(() => framed.end('x', value as never), { ...invalid, message: /^callback must be/ })
      t.throws(() => framed.send('x', {}, value as never), { ...invalid, message: /^callback must be/ })
      // An object in this place is taken for the options.
      if (typeof value !== 'object')
        t.throws(() => framed.send('x', value as never), { ...invalid, message: /^callback must be/ })
    }
    t.throws(() => framed.end('xxxxx'), { code: 'ERR_FRAME_TOO_LARGE' })
    t.true(framed.socket.writable)
    framed.end('good')
    t.true((await receiveAll(raw)).equals(frames('good')))
  })

  test(`sendAndWait() resolves when the kernel has the message (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place, { maxMessageLength: 2 * tooMuch })
    t.is(await framed.sendAndWait('one'), undefined)
    t.is(framed.socket.bytesWritten, 7)
    let isSent = false
    const sending = framed.sendAndWait(Buffer.alloc(tooMuch)).then(() => (isSent = true))
    await turns(5)
    t.false(isSent, 'the kernel cannot have it yet')
    const received = receiveAll(raw)
    await sending
    t.is(framed.socket.bytesWritten, 7 + 4 + tooMuch)
    framed.end()
    t.is((await received).length, 7 + 4 + tooMuch)
  })

  test(`sendAndWait() rejects with what keeps the message (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place, { maxMessageLength: 4 })
    await t.throwsAsync(framed.sendAndWait('xxxxx'), { code: 'ERR_FRAME_TOO_LARGE' })
    await t.throwsAsync(framed.sendAndWait(5 as never), { code: 'ERR_INVALID_ARG_TYPE' })
    t.true(framed.socket.writable)
    const events = recordedEnds(framed)
    // Closes the descriptor at once; a turn later the end may have come, and ended this side.
    raw.destroy()
    await t.throwsAsync(framed.sendAndWait('gone'), { code: 'EPIPE' })
    await eventually('it closes', () => events.includes('close'))
    await t.throwsAsync(framed.sendAndWait('late'), { code: 'ERR_STREAM_DESTROYED' })
  })

  test(`dispose sends everything before it closes, and destroy() does not wait (${place})`, async t => {
    const { raw, framed } = await rawPair(t, place)
    let isDisposed = false
    const message = pattern(100_000)
    for (let count = 0; count < 40; count++) framed.send(message)
    const disposing = framed[Symbol.asyncDispose]().then(() => (isDisposed = true))
    await turns(5)
    t.false(isDisposed, 'the peer has read nothing')
    const peer = new FramedSocket(raw)
    let received = 0
    for await (const each of peer) received += Number(each.equals(message))
    t.is(received, 40)
    await disposing
    t.true(framed.socket.closed)

    const { framed: cut } = await rawPair(t, place)
    for (let count = 0; count < 40; count++) cut.send(message)
    cut.destroy()
    t.true(cut.socket.destroyed)
    await once(cut, 'close')
    await cut[Symbol.asyncDispose]()
  })

  test(`dispose rejects with what keeps it from sending, unless 'error' has a listener (${place})`, async t => {
    for (const listens of [false, true]) {
      const { raw, framed } = await rawPair(t, place)
      const errors: string[] = []
      if (listens) framed.on('error', error => errors.push((error as Failure).code!))
      framed.send(pattern(100_000), () => {})
      for (let count = 0; count < 40; count++) framed.send(pattern(100_000))
      const disposing = framed[Symbol.asyncDispose]()
      raw.destroy()
      if (listens) await t.notThrowsAsync(disposing)
      else await failsForWantOfPeer(t, disposing)
      t.true(framed.socket.closed)
      if (listens) t.regex(errors.join(), /^(EPIPE|ECONNRESET)$/)
    }
  })
}
