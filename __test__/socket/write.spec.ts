import { Duplex } from 'node:stream'
import test from 'ava'
import { type UnixSocket } from '../../index.js'
import { everyPlace, once, pair, receive, receiveAll } from '../helpers/sockets.js'
import { fill, generator, leavesNoDescriptors, pattern, recorded, sha256, turns } from '../helpers/streams.js'

leavesNoDescriptors(test)

type Callback = (error?: Error | null) => void

/** What a stream of Node's own does with the same. */
const reference = (): Duplex => new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() })

/** Code of what is thrown, or of what the callback gets. */
function outcome(work: (callback: Callback) => void): Promise<string | undefined> {
  return new Promise(resolve => {
    try {
      work(error => resolve((error as NodeJS.ErrnoException | null | undefined)?.code))
    } catch (error) {
      resolve(`thrown ${(error as NodeJS.ErrnoException).code}`)
    }
  })
}

/** Code that the callback gets, code of 'error', and whether that was the end. */
async function failsAfterEnd(
  stream: Duplex,
  finished: boolean,
  again: (stream: Duplex, callback: Callback) => void,
): Promise<unknown[]> {
  let error: NodeJS.ErrnoException | undefined
  stream.on('error', failure => (error = failure))
  stream.write('before')
  stream.end()
  if (finished) await once(stream, 'finish')
  const code = await outcome(callback => again(stream, callback))
  await turns(2)
  return [code, error?.code, stream.destroyed]
}

const encodings: [BufferEncoding, string][] = [
  ['utf8', 'aé€😀\0'],
  ['utf-8', 'ß'],
  ['utf16le', 'aé€😀'],
  ['ucs2', 'ab'],
  ['latin1', 'éÿ\x80'],
  ['binary', '\xff\0'],
  ['ascii', 'plain'],
  ['hex', '00ff10'],
  ['base64', 'AP8Q+/8='],
  ['base64url', 'AP8Q-_8'],
]

/** Chunks of every kind and of the sizes where the way of writing changes. */
function everyKind(): (string | Uint8Array)[] {
  const sizes = [1, 0, 3, 8191, 8192, 8193, 0, 65_535, 65_536, 65_537, 7, 200_000, 5, 8192, 8192, 8192]
  return sizes.flatMap((size, index) => {
    const bytes = pattern(size, index + 1)
    const text = bytes.toString('hex')
    return [bytes, text, '', new Uint8Array(0), Uint8Array.from(bytes), text.slice(0, 9)]
  })
}

/** As many writes in one turn as make the outbox overflow and a send take more than one system call. */
function manySmall(): (string | Uint8Array)[] {
  const next = generator(7)
  return Array.from({ length: 3000 }, (_, index) => {
    const bytes = pattern(next(600), index)
    return index % 2 === 0 ? bytes : bytes.toString('latin1').replace(/[^\0-\x7f]/g, '.')
  })
}

const bytesOf = (chunks: readonly (string | Uint8Array)[]): Buffer =>
  Buffer.concat(chunks.map(chunk => Buffer.from(chunk as string)))

for (const place of everyPlace) {
  test(`strings arrive in every encoding (${place})`, async t => {
    const { client, server } = await pair(t, place)
    for (const [encoding, text] of encodings) client.write(text, encoding)
    client.end()
    const expected = encodings.map(([encoding, text]) => Buffer.from(text, encoding))
    t.deepEqual(await receiveAll(server), Buffer.concat(expected))
  })

  test(`setDefaultEncoding is for strings without one (${place})`, async t => {
    const { client, server } = await pair(t, place)
    client.setDefaultEncoding('hex')
    client.write('6869')
    client.write(Buffer.from('!'))
    client.write('x', 'utf8')
    t.throws(() => client.setDefaultEncoding('bogus' as BufferEncoding), { code: 'ERR_UNKNOWN_ENCODING' })
    client.end('2e')
    t.is(String(await receiveAll(server)), 'hi!x.')
  })

  for (const full of [false, true]) {
    const when = `${place}${full ? ', while the kernel is full' : ''}`
    for (const [what, chunks] of [
      ['chunks of every kind and size', everyKind()],
      ['thousands of small chunks', manySmall()],
    ] as const) {
      test(`${what}, written in one turn, arrive in order, each callback once and in order (${when})`, async t => {
        const { client, server } = await pair(t, place)
        const skipped = full ? fill(client) : 0
        const called: number[] = []
        let end = skipped
        for (const [index, chunk] of chunks.entries()) {
          end += Buffer.byteLength(chunk)
          const upTo = end
          client.write(chunk, error => {
            called.push(index)
            if (error) t.fail(error.message)
            if (client.bytesWritten < upTo) t.fail(`callback ${index} before the kernel had its bytes`)
          })
        }
        t.deepEqual(called, [], 'no callback inside write()')
        client.end()
        const received = await receiveAll(server)
        t.is(sha256(received.subarray(skipped)), sha256(bytesOf(chunks)))
        t.deepEqual(called, [...chunks.keys()])
        t.is(client.bytesWritten, end)
      })
    }

    test(`writes of many turns arrive in order (${when})`, async t => {
      const { client, server } = await pair(t, place)
      const skipped = full ? fill(client) : 0
      const chunks = manySmall().slice(0, 300)
      const received = receiveAll(server)
      for (const [index, chunk] of chunks.entries()) {
        client.write(chunk)
        if (index % 3 === 0) await turns(1)
        if (index % 7 === 0) await Promise.resolve()
      }
      client.end()
      t.is(sha256((await received).subarray(skipped)), sha256(bytesOf(chunks)))
    })
  }

  test(`what the kernel has not taken is called back only when it has (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const skipped = fill(client)
    let called = 0
    client.write('waits', () => called++)
    await turns(10)
    t.is(called, 0)
    t.true(client.bytesWritten < skipped)
    client.end(() => called++)
    t.is((await receiveAll(server)).length, skipped + 5)
    await (client.writableFinished || once(client, 'finish'))
    t.is(called, 2)
  })

  test(`write() answers false from the high-water mark on, and 'drain' follows once (${place})`, async t => {
    const { client, server } = await pair(t, place)
    const events = recorded(client)
    client.cork()
    t.true(client.write(pattern(8000)))
    t.is(client.writableLength, 8000)
    t.true(client.write('x'.repeat(57_535)))
    t.false(client.writableNeedDrain)
    t.false(client.write(Buffer.from('x')))
    t.is(client.writableLength, 65_536)
    t.true(client.writableNeedDrain)
    client.uncork()
    await once(client, 'drain')
    t.is(client.writableLength, 0)
    fill(client)
    await turns(5)
    t.deepEqual(events, ['drain'])
    server.resume()
    await once(client, 'drain')
    t.is(client.writableLength, 0)
    t.deepEqual(events, ['drain', 'drain'])
  })

  test(`what no Writable takes is thrown, and loses nothing before or after it (${place})`, async t => {
    const { client, server } = await pair(t, place)
    let expected = ''
    for (const [index, chunk] of [
      null,
      undefined,
      1,
      true,
      {},
      [],
      Symbol('x'),
      new ArrayBuffer(3),
    ].entries()) {
      const code = await outcome(() => reference().write(chunk))
      t.regex(String(code), /^thrown ERR_/)
      client.write(`(${index}`)
      t.is(await outcome(() => client.write(chunk)), code)
      client.write(Buffer.from(`${index})`))
      expected += `(${index}${index})`
    }
    for (const chunk of ['text', Buffer.from('small'), pattern(100_000)]) {
      client.write('<')
      const write = (stream: Duplex) => () => stream.write(chunk, 'bogus' as BufferEncoding)
      t.is(await outcome(write(client)), await outcome(write(reference())))
      client.write(Buffer.from('>'))
      expected += '<>'
    }
    t.is(await outcome(() => client.end({})), await outcome(() => reference().end({})))
    client.end('.')
    t.is(String(await receiveAll(server)), `${expected}.`)
  })

  const forms: [string, string, (socket: UnixSocket, callback: () => void) => unknown][] = [
    ['()', '', socket => socket.end()],
    ['(callback)', '', (socket, callback) => socket.end(callback)],
    ['(chunk)', 'hi', socket => socket.end('hi')],
    ['(chunk, callback)', 'hi', (socket, callback) => socket.end('hi', callback)],
    ['(chunk, encoding)', 'hi', socket => socket.end('6869', 'hex')],
    ['(chunk, encoding, callback)', 'hi', (socket, callback) => socket.end('6869', 'hex', callback)],
    ['(chunk, undefined, callback)', 'hi', (socket, callback) => socket.end('hi', undefined, callback)],
    ['(undefined, callback)', '', (socket, callback) => socket.end(undefined, callback)],
    ['(null, undefined, callback)', '', (socket, callback) => socket.end(null, undefined, callback)],
    ['(undefined, undefined, callback)', '', (socket, cb) => socket.end(undefined, undefined, cb)],
    ['(null)', '', socket => socket.end(null)],
    ['(empty string, callback)', '', (socket, callback) => socket.end('', callback)],
    ['(bytes, callback)', 'hi', (socket, callback) => socket.end(Uint8Array.of(104, 105), callback)],
    ['(large, callback)', 'l'.repeat(9000), (socket, cb) => socket.end(Buffer.alloc(9000, 'l'), cb)],
  ]
  for (const [form, expected, end] of forms) {
    test(`end${form} sends the chunk after what was written, and then the end (${place})`, async t => {
      const { client, server } = await pair(t, place)
      const order: string[] = []
      client.on('finish', () => order.push('finish'))
      client.write('before ', () => order.push('write'))
      t.is(
        end(client, () => order.push('end')),
        client,
      )
      t.true(client.writableEnded)
      t.is(String(await receiveAll(server)), `before ${expected}`)
      await (client.writableFinished || once(client, 'finish'))
      await turns(1)
      const callback = form.includes('callback') || form.includes('cb')
      t.deepEqual(order.toSorted(), callback ? ['end', 'finish', 'write'] : ['finish', 'write'])
      t.is(order[0], 'write')
      t.false(client.destroyed, 'the other direction is open still')
      server.end('answer')
      t.is(String(await receiveAll(client)), 'answer')
    })
  }

  for (const [what, again] of [
    ['write(chunk)', (stream, callback) => stream.write('x', callback)],
    ['write(bytes)', (stream, callback) => stream.write(Buffer.from('x'), callback)],
    ['end(callback)', (stream, callback) => stream.end(callback)],
    ['end(chunk, callback)', (stream, callback) => stream.end('x', callback)],
  ] as [string, (stream: Duplex, callback: Callback) => void][]) {
    for (const finished of [false, true]) {
      test(`${what} after ${finished ? "'finish'" : 'end()'} fails as on any Writable, and what was written arrives (${place})`, async t => {
        const { client, server } = await pair(t, place)
        t.deepEqual(
          await failsAfterEnd(client, finished, again),
          await failsAfterEnd(reference(), finished, again),
        )
        t.is(String(await receiveAll(server)), 'before')
      })
    }
  }

  for (const destroyed of ['destroy()', "'close'"]) {
    test(`write and end after ${destroyed} fail with ERR_STREAM_DESTROYED and send nothing (${place})`, async t => {
      const { client, server } = await pair(t, place)
      const events = recorded(client)
      client.write('before')
      client.destroy()
      if (destroyed !== 'destroy()') await once(client, 'close')
      t.false(client.write('late'))
      t.is(await outcome(callback => client.write(Buffer.from('late'), callback)), 'ERR_STREAM_DESTROYED')
      t.is(await outcome(callback => client.write(pattern(100_000), callback)), 'ERR_STREAM_DESTROYED')
      t.is(await outcome(callback => client.end('late', callback as () => void)), 'ERR_STREAM_DESTROYED')
      await turns(3)
      t.deepEqual(events, ['close'])
      t.is(String(await receiveAll(server)), 'before')
    })
  }

  test(`an answer that is written inside 'data' arrives (${place})`, async t => {
    const { client, server } = await pair(t, place)
    server.on('data', chunk => {
      server.write(chunk)
      server.write('!')
    })
    for (const text of ['a', 'b', 'c']) {
      client.write(text)
      t.is(String(await receive(client, 2)), `${text}!`)
    }
  })
}
