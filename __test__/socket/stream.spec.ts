import { Duplex, finished, pipeline, Transform } from 'node:stream'
import { finished as untilFinished, pipeline as piped } from 'node:stream/promises'
import test from 'ava'
import { everyPlace, once, pair, receive, receiveAll } from '../helpers/sockets.js'
import { leavesNoDescriptors, pattern, sha256, turns } from '../helpers/streams.js'

leavesNoDescriptors(test)

for (const place of everyPlace) {
  test(`pipeline carries a stream through an echo and back (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const sent = pattern(3_000_001)
    const echoed = piped(server, server)
    const parts: Buffer[] = []
    const sending = piped(
      function* () {
        for (let from = 0; from < sent.length; from += 70_001) yield sent.subarray(from, from + 70_001)
      },
      client,
      async function (source: AsyncIterable<Buffer>) {
        for await (const chunk of source) parts.push(chunk)
      },
    )
    await Promise.all([echoed, sending])
    t.is(sha256(Buffer.concat(parts)), sha256(sent))
    t.true(server.destroyed)
  })

  test(`pipeline passes a socket's failure on and destroys the rest (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const upper = new Transform({ transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()) })
    const error = new Promise<NodeJS.ErrnoException | null | undefined>(resolve =>
      pipeline(client, upper, failure => resolve(failure)),
    )
    server.write('x')
    t.is(String(await once<Buffer>(upper, 'data')), 'X')
    client.destroy(new Error('told to'))
    t.is((await error)?.message, 'told to')
    t.true(upper.destroyed)
  })

  test(`for await reads to the end, and leaving it destroys the socket (${place})`, async t => {
    const { client, server } = await pair(t, place)
    let text = ''
    server.write('one ')
    setImmediate(() => server.end('two'))
    for await (const chunk of client) text += String(chunk)
    t.is(text, 'one two')

    const second = await pair(t, place)
    second.server.write('x')
    for await (const chunk of second.client) {
      t.is(String(chunk), 'x')
      break
    }
    t.true(second.client.destroyed)
    t.is(String(await receiveAll(second.server)), '')
  })

  test(`toWeb gives both directions as web streams (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const { readable, writable } = Duplex.toWeb(client)
    const writer = writable.getWriter()
    await writer.write(Buffer.from('to the server'))
    t.is(String(await receive(server, 13)), 'to the server')
    server.end('to the client')
    // Node ends the readable stream when the socket's both directions have ended.
    const closed = writer.close()
    const parts: Uint8Array[] = []
    for await (const part of readable) parts.push(part as Uint8Array)
    t.is(String(Buffer.concat(parts)), 'to the client')
    await closed
    t.is((await receiveAll(server)).length, 0)
  })

  test(`finished() reports the end of each direction and of both (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const reading = untilFinished(server, { writable: false })
    const writing = untilFinished(client, { readable: false })
    const both = new Promise<unknown>(resolve => finished(client, resolve))
    client.end('x')
    server.resume()
    await Promise.all([reading, writing])
    t.false(client.destroyed)
    server.end()
    client.resume()
    t.is(await both, undefined)
    const broken = await pair(t, place)
    const premature = untilFinished(broken.client)
    broken.client.destroy()
    await t.throwsAsync(premature, { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  })

  test(`setEncoding joins characters that arrive in pieces (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const text = 'aé€😀'.repeat(3)
    server.setEncoding('utf8')
    const parts: string[] = []
    server.on('data', part => parts.push(part as string))
    for (const byte of Buffer.from(text)) {
      client.write(Uint8Array.of(byte))
      await turns(1)
    }
    client.end()
    await once(server, 'end')
    t.is(parts.join(''), text)
    t.true(parts.every(part => typeof part === 'string' && part.isWellFormed()))
    t.is(server.bytesRead, Buffer.byteLength(text))
  })
}
